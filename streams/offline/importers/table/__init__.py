"""A shop's own files as events: tables in CSV, Parquet, JSON, XML, and the exports of some systems by name.

A file becomes rows (``files``), a row raw events (``mapped``, or a format in ``formats/``), a raw event an event
(``conversion``). What cannot be used is refused by row, and the rest goes on (``importing``).
"""
