"""What streamrank remembers, in Redis: keys, binary records, and their folds. Knows no model and no Kafka."""
