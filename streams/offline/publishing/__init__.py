"""A log to Kafka: items first, the rest when the catalogue has them."""
