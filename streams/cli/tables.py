"""Rich tables: answers, dead letters, topics, checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from streamrank_client.answers import Answer, AnswerItem, DeadLetter, FacetValue, Understood

if TYPE_CHECKING:
    from models.base.artifact import Artifact
    from streams.kafka.topic_states import TopicState
    from streams.lookup.doctor import Check

__all__ = [
    "answer_table",
    "artifact_table",
    "check_table",
    "console",
    "dead_letter_table",
    "is_explained",
    "topic_table",
    "understood_table",
]


def facet_table(facets: Mapping[str, Sequence[FacetValue]]) -> Table:
    """The values of facets with how many matches have them."""
    table = Table("facet", "value", show_edge=False)
    table.add_column("matches", justify="right")
    for name, values in facets.items():
        for one in values:
            table.add_row(escape(name), escape(_facet_value(one)), str(one.count))
    return table


def _facet_value(one: FacetValue) -> str:
    if one.value is None:
        low = "" if one.min is None else f"from {one.min:g}"
        return f"{low} below {one.max:g}".strip() if one.max is not None else low or "any"
    return f"{one.value:g}" if isinstance(one.value, float) else str(one.value)


def answer_table(
    answer: Answer,
    titles: Mapping[str, str] | None = None,
    latency_ms: float | None = None,
    *,
    following: bool = False,
    header: bool = True,
) -> Table:
    """An answer's items in order, with their sources, and their reasons where they were asked for.

    ``titles``, where there are any, add a column of titles by item id; ``latency_ms`` is shown in the caption.
    ``following``: one of many of the same width, of which the first with the same columns shows the ``header``.
    """
    table = Table(
        title=escape(_headline(answer)),
        caption=escape(_caption(answer, latency_ms)),
        title_justify="left",
        caption_justify="left",
        show_edge=False,
        show_header=header,
        expand=following,
    )
    explained = is_explained(answer)
    titled = following or bool(titles)
    table.add_column("#", justify="right", style="dim", width=3 if following else None)
    for name, shown, share in (("item", True, 3), ("title", titled, 6), ("score", True, 2), ("sources", True, 4),
                               ("reasons", explained, 4)):  # fmt: skip
        if shown:
            ratio = share if following else None
            table.add_column(name, overflow="fold", justify="right" if name == "score" else "left", ratio=ratio)
    for position, item in enumerate(answer.items):
        row = [str(position), item.item_id]
        if titled:
            row.append((titles or {}).get(item.item_id, ""))
        row += [f"{item.score:.3f}", ", ".join(item.sources)]
        if explained:
            row.append(_reasons(item))
        table.add_row(*map(escape, row))
    return table


def is_explained(answer: Answer) -> bool:
    """Whether its table has a column of reasons."""
    return any(item.reasons for item in answer.items)


def _headline(answer: Answer) -> str:
    words = [
        answer.surface or "answer",
        f"for {answer.user_id}" if answer.user_id else "for somebody unknown",
    ]
    if answer.intent is not None:
        words.append(f"· intent {answer.intent.label} {answer.intent.confidence:.2f}")
    if answer.error is not None:
        words.append(f"· refused: {answer.error.field}: {answer.error.message}")
    elif not answer.items:
        words.append("· nothing found")
    return " ".join(words)


def understood_table(understood: Understood) -> Table:
    """How a query's text was read: one line each for corrections, expansions and known queries like it."""
    table = Table(show_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    expansions = [
        f"{one.of} → {one.term} ({one.kind}{f' {one.weight:.2f}' if one.weight < 1 else ''})"
        for one in understood.expansions
    ]
    lines = {
        "goes on from": understood.refined_from,
        "read as": understood.corrected,
        "words": ", ".join(understood.words),
        "searched too": ", ".join(expansions),
        "queries like it": ", ".join(f"{near.text} {near.cosine:.2f}" for near in understood.neighbours),
    }
    for name, line in lines.items():
        if line:
            table.add_row(name, escape(line))
    return table


def _caption(answer: Answer, latency_ms: float | None) -> str:
    parts = [f"request {answer.request_id}"]
    if latency_ms is not None:
        parts.append(f"{latency_ms:.1f} ms")
    if answer.seen is not None:
        parts.append(f"seen {answer.seen.partition}/{answer.seen.offset}")
    if answer.arm:
        parts.append(f"arm {answer.arm}" + (f" of {answer.experiment}" if answer.experiment else ""))
    if answer.artifact:
        parts.append(f"artifact {answer.artifact}, weights {answer.weights_version}")
    return " · ".join(parts)


def _reasons(item: AnswerItem) -> str:
    found = sorted((item.reasons or {}).items(), key=lambda pair: -abs(pair[1]))
    told = [item.why] if item.why else []
    return " ".join([*told, ", ".join(f"{name} {value:+.2f}" for name, value in found[:5])])


def dead_letter_table(letters: Iterable[DeadLetter], *, following: bool = False, header: bool = True) -> Table:
    """Dead letters: where each came from, what was wrong, and the beginning of the record; see ``answer_table``."""
    table = Table(show_edge=False, show_header=header, expand=following)
    for name, share in (("topic", 5), ("partition", 4), ("offset", 3), ("code", 4), ("field", 4), ("reason", 8),
                        ("record", 8)):  # fmt: skip
        justify: JustifyMethod = "right" if name in ("partition", "offset") else "left"
        table.add_column(name, overflow="fold", justify=justify, ratio=share if following else None)
    for letter in letters:
        raw = (letter.raw or b"")[:60].decode(errors="replace")
        cells = (
            letter.topic,
            str(letter.partition),
            str(letter.offset),
            letter.code,
            letter.field,
            letter.reason,
            raw,
        )
        table.add_row(*map(escape, cells))
    return table


def topic_table(states: Iterable[TopicState]) -> Table:
    """The declared topics as they are on Kafka."""
    table = Table(show_edge=False)
    for name in ("topic", "key", "partitions", "cleanup", "state"):
        table.add_column(name, overflow="fold", justify="right" if name == "partitions" else "left")
    for state in states:
        policy = state.policy or state.spec.config.get("cleanup.policy", "delete")
        told = [f"[red]{escape(text)}[/red]" for text in state.wrong]
        told += [f"[yellow]{escape(text)}[/yellow]" for text in state.risks]
        table.add_row(
            escape(state.spec.name), state.spec.key, str(state.partitions), policy,
            "; ".join(told) or "[green]ok[/green]",
        )  # fmt: skip
    return table


def artifact_table(artifact: Artifact) -> Table:
    """An artifact's manifest."""
    manifest = artifact.manifest
    table = Table(
        title=escape(f"{manifest.kind} {manifest.name} {manifest.version}"),
        title_justify="left",
        show_edge=False,
        show_header=False,
    )
    table.add_row("folder", escape(str(artifact.path)))
    for name, record in manifest.files.items():
        table.add_row("file", escape(f"{name}: {record.bytes:,} bytes, sha256 {record.sha256[:16]}…"))
    for direction, ports in (("takes", manifest.inputs), ("gives", manifest.outputs)):
        for port in ports:
            table.add_row(direction, escape(f"{port.name} {list(port.shape)} {port.dtype}"))
    for title, named in (
        ("made from", manifest.created_from),
        ("needs", manifest.requires),
        ("figure", manifest.figures),
    ):
        for name, value in named.items():
            shown = f"{value:.6g}" if isinstance(value, float) else value
            table.add_row(title, escape(f"{name}: {shown}"))
    table.add_row("licence", escape(manifest.licence))
    return table


def check_table(checks: Iterable[Check]) -> Table:
    """The doctor's findings, each with what to do."""
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    table = Table(show_edge=False)
    for name in ("", "check", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for check in checks:
        state = f"[{colours[check.state]}]{check.state}[/]"
        table.add_row(state, escape(check.name), escape(check.message), escape(check.remedy))
    return table


def console() -> Console:
    """The console on stdout, as wide as the terminal; 160 columns wide where there is none."""
    out = Console()
    return out if out.is_terminal else Console(width=160)
