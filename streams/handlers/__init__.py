"""Handlers: plain functions from (events, what was read) to (what to write, what to publish), as data.

Those that must read Redis are generators: they yield the keys, are sent the values, and return the changes. The
stages run them (``streams/worker/stages``), in Faust agents and in the replay alike.
"""
