"""Kafka as the workers use it: whole batches, broadcasts, publishing, making topics."""
