"""What the shop allows: filters, exclusions, repeats, pins, burials, hidings."""
