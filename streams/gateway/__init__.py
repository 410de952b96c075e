"""The HTTP door: events in, answers out, for services and pages that do not speak Kafka."""
