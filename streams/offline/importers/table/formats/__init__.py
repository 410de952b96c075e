"""Exports of other systems, by name: one file a format; ``registry`` lists them."""
