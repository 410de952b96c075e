"""Benchmarks on real servers that they start and end themselves."""
