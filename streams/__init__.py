"""Kafka in, Kafka out: the wire, the topics, the worker, its transport, the client and the command line."""
