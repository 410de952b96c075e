"""Understanding, retrieval, ranking and learning: no Kafka, no Redis, no clock, no environment."""
