"""A log in which what follows is always the next item: small, and there is something to learn."""

from __future__ import annotations

from pathlib import Path

from streamrank_client.events import Item, Purchase, encode
from streamrank_client.logs import write_lines


def write_round(path: Path) -> Path:
    """Two hundred users who each buy three of a dozen items in a round; returns ``path``."""
    items = [Item(time=0, item_id=f"p{n}", title=f"thing number {n}") for n in range(12)]
    bought = [
        Purchase(
            time=1_000 * (3 * user + step) + 1, event_id=f"e{user}-{step}", user_id=f"u{user}",
            item_id=f"p{(user + step) % 12}", basket_id=f"b{user}",
        )
        for user in range(200)
        for step in range(3)
    ]  # fmt: skip
    write_lines(path, [encode(event) for event in [*items, *bought]])
    return path
