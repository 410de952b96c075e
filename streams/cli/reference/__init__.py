"""Pages of ``docs/reference/`` that are made from the code: commands, events, HTTP, metrics.

``python -m streams.cli.reference.commands docs/reference/commands.md`` writes the page of commands, and so on; with
``--check`` it fails when the page is stale.
"""
