"""Building artifacts from logs."""
