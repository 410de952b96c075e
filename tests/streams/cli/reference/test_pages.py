"""The generated pages: what lies on disk is what the code says, and nothing of it is left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import pytest

from streamrank_client import asyncapi
from streams.cli import COMMANDS
from streams.cli import main as streamrank
from streams.cli.reference import commands, events, http, metrics
from streams.cli.reference.markdown import cell, joined, table, told
from streams.gateway.metrics import GatewayMetrics
from streams.gateway.openapi import OPERATIONS
from streams.settings import checkout
from streams.worker.metrics import Metrics

PAGES = pytest.mark.parametrize("page", [commands, events, http, metrics], ids=lambda page: page.__name__)


def on_disk(page: ModuleType) -> Path:
    """Where a generated page lies."""
    return checkout() / "docs" / "reference" / f"{page.__name__.rpartition('.')[2]}.md"


@PAGES
def test_the_page_on_disk_is_what_the_code_says(page: ModuleType) -> None:
    """`make pages` writes it."""
    main: Callable[[list[str]], int] = page.main
    assert on_disk(page).read_text() == page.text()
    assert main([str(on_disk(page)), "--check"]) == 0


@PAGES
def test_a_stale_page_fails_with_what_to_run(
    page: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what is to be run mends it."""
    main: Callable[[list[str]], int] = page.main
    stale = tmp_path / "page.md"
    stale.write_text("old")
    assert main([str(stale), "--check"]) == 1
    assert f"python -m {page.__name__} {stale}" in capsys.readouterr().err
    assert main([str(stale)]) == 0
    assert main([str(stale), "--check"]) == 0


def test_the_page_of_commands_has_every_command_with_every_option() -> None:
    """Those inside of groups too."""
    sections = dict(re.findall(r"^#+ (streamrank[^\n]*)\n(.*?)(?=^#+ streamrank|\Z)", commands.text(), re.M | re.S))
    assert {name.split()[1] for name in sections} == set(COMMANDS)
    assert "streamrank artifact build" in sections

    def check(command: click.Command, name: str) -> None:
        """Each option of a command stands in its section."""
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.opts[-1] in sections[name], f"{name} {parameter.opts}"
        if isinstance(command, click.Group):
            with click.Context(command) as context:
                for inner in command.list_commands(context):
                    chosen = command.get_command(context, inner)
                    assert chosen is not None
                    check(chosen, f"{name} {inner}")

    with click.Context(streamrank) as context:
        for name in COMMANDS:
            command = streamrank.get_command(context, name)
            assert command is not None
            check(command, f"streamrank {name}")


def test_the_page_of_events_has_every_field_of_every_schema() -> None:
    """And an example of each event."""
    text = events.text()
    parts = asyncapi.document()["components"]
    for name, schema in parts["schemas"].items():
        assert all(f"| `{field}` |" in text for field in schema.get("properties", {})), name
    for tag in asyncapi.EXAMPLES:
        assert f"\n### {tag}\n" in text
        assert f'"event":"{tag}"' in text


def test_the_page_of_http_has_every_path() -> None:
    """With its statuses."""
    text = http.text()
    for operation in OPERATIONS:
        section = text.partition(f"\n## {operation.method.upper()} {operation.path}\n")[2].partition("\n## ")[0]
        assert f"| {operation.status} |" in section, operation.path
        assert all(f"| {status} |" in section for status in operation.refusals), operation.path


def test_the_page_of_metrics_has_every_metric_with_its_labels() -> None:
    """Of workers and of gateways."""
    text = metrics.text()
    for registry in (Metrics().registry, GatewayMetrics().registry):
        for family in registry.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            assert f"| `{name}` | {family.type} |" in text
    assert "| `streamrank_dead_letters_total` | counter | `topic`, `code` |" in text
    assert "| `streamrank_build_info` | gauge | `version`, `python` |" in text


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "minLength": 1, "maxLength": 128}, "text of 1 to 128 characters"),
        ({"type": "string", "maxLength": 2000}, "text of at most 2,000 characters"),
        ({"type": "integer", "minimum": 0, "maximum": 4_294_967_295_999}, "whole number from 0 to 4,294,967,295,999"),
        ({"type": "number", "minimum": 0, "maximum": 1e12}, "number from 0 to 1,000,000,000,000"),
        ({"type": "integer", "minimum": 1}, "whole number, 1 or more"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 1}, "list of at least 1: number"),
        ({"type": ["string", "null"]}, "text or null"),
        ({"anyOf": [{"type": "boolean"}, {"$ref": "#/x/Range"}]}, "true or false or Range"),
        ({"enum": ["a", "b"]}, "one of `a`, `b`"),
        ({"const": "click"}, "`click`"),
        (
            {"type": "object", "additionalProperties": {"type": "number"}, "maxProperties": 9},
            "object of at most 9, each value: number",
        ),
    ],
)
def test_a_schema_is_told_in_words(schema: dict[str, object], words: str) -> None:
    """With its limits, since a producer has to keep them."""
    assert told(schema) == words


def test_cells_hold_no_bars_and_no_line_breaks() -> None:
    """Either would end a cell."""
    assert cell("one|two\nthree") == "one\\|two three"
    assert joined("One\n    line.\n\n    Another.") == "One line.\n\nAnother."
    assert table(("a", "b"), [("1", "")]) == "| a | b |\n| --- | --- |\n| 1 | |\n"
