"""A stored answer and a user as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from rich.markup import escape
from rich.table import Table

from streams.lookup.stored_answer import StoredAnswer
from streams.lookup.user_profile import Profile

#: contributions and features of an item that are shown, and groups left out
LINES = 6
GROUPS = 8


def stored_answer(found: StoredAnswer) -> Iterator[Table | str]:
    """What was known, candidates, items with what their scores are made of, and the order without each group."""
    whose = f"user {found.user_id}" if found.user_id else "somebody unknown"
    asked = f" · “{found.text}”" if found.text else ""
    arm = f" · arm {found.arm}" + (f" of {found.experiment}" if found.experiment else "")
    yield escape(
        f"{found.surface} for {whose}{asked} · {_at(found.time)} · request {found.request_id}{arm} · "
        f"ranker {found.artifact}, weights {found.weights_version}"
    )
    for note in found.notes:
        yield f"[yellow]{escape(note)}[/yellow]"
    known = found.known
    there = [name for name, has in (("short", known.short_interest), ("long", known.long_interest)) if has]
    anchors = ", ".join(one.title or one.item_id for one in known.anchors) or "none"
    yield escape(f"known then: {known.events} events, interests: {' and '.join(there) or 'none'}, anchors: {anchors}")
    yield escape("candidates: " + ", ".join(f"{name} {count}" for name, count in found.candidates.items()))
    recent = ([r.item_id, r.title, r.kind, _ago(r.seconds), f"{r.weight:g}"] for r in known.recent)
    yield _table("recent items", ("item", "title", "kind", "before", "weight"), recent)
    rows = (
        [str(i.position), i.item_id, i.title, f"{i.score:.4f}", f"{i.propensity:.3g}", _strongest(i.reasons),
         _strongest(i.features)]
        for i in found.items
    )  # fmt: skip
    yield _table("items", ("#", "item", "title", "score", "propensity", "contributions", "features"), rows)
    left = (
        [one.group, str(len(one.moves)), ", ".join(f"{item} {by:+d}" for item, by in _largest(one.moves))]
        for one in found.left_out[:GROUPS]
    )
    yield _table("order without a group, against that by score", ("group", "moved", "places"), left)


def user_profile(found: Profile) -> Iterator[Table | str]:
    """A user's profile, part by part; parts that are empty are left out."""
    arm = f"arm {found.arm}" + (f" of {found.experiment}" if found.experiment else "")
    counts = ", ".join(f"{kind} {n}" for kind, n in found.counts.items())
    yield escape(
        f"user {found.user_id} at {_at(found.at)} · {found.events} events ({counts}), "
        f"newest {_at(found.newest)} · {arm}"
    )
    for title, interests in (("interests by category", found.categories), ("by brand", found.brands)):
        rows = ([one.name, str(one.events), f"{one.short:.3f}", f"{one.long:.3f}"] for one in interests)
        yield _table(title, ("name", "events", "half-life 1 hour", "30 days"), rows)
    near = ", ".join(f"{name} {cosine:.2f}" for name, cosine in found.nearest_categories.items())
    yield escape(f"nearest to the long interest: {near or 'none'}")
    if found.prices is not None:
        p = found.prices
        yield escape(f"prices: median {p.median:g}, half of {p.items} items from {p.low:g} to {p.high:g}")
    rhythm = ([r.item_id, r.title, str(r.times), f"{r.days:g}", _at(r.due)] for r in found.rhythm)
    yield _table("bought again", ("item", "title", "times", "days apart", "next due"), rhythm)
    recent = ([r.item_id, r.title, r.kind, _at(r.time), f"{r.weight:g}"] for r in found.recent)
    yield _table("recent items", ("item", "title", "kind", "time", "weight"), recent)
    if found.searches is not None:
        s = found.searches
        state = "goes on" if s.continues else "over"
        yield escape(f"last searches, until {_at(s.time)}, session {state}: " + ", ".join(f"“{t}”" for t in s.texts))
    seen = found.ranker
    features = ", ".join(f"{name} {value:.3f}" for name, value in seen.features.items())
    yield escape(
        f"what the ranker sees: {features}, {seen.recent_items} recent items, interest of length "
        f"{seen.short_interest:.3g} (short) and {seen.long_interest:.3g} (long)"
    )


def _table(title: str, names: Iterable[str], rows: Iterable[list[str]]) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _strongest(values: Mapping[str, float]) -> str:
    found = sorted(values.items(), key=lambda pair: -abs(pair[1]))
    return ", ".join(f"{name} {value:+.3f}" for name, value in found[:LINES])


def _largest(moves: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(moves.items(), key=lambda pair: -abs(pair[1]))[:LINES]


def _at(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _ago(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"
