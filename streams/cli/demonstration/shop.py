"""What the demo sells: four weeks of a supermarket's receipts, of what was sold more than a few times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamrank_client.events import Event, Item, Purchase
from streams.gateway.playing import Shopper
from streams.offline.importers import complete_journey
from streams.offline.importers.log import write_log

#: an item that was sold less often is not in the shop
LEAST: Final = 5
#: households that the playground offers
SHOPPERS: Final = 6


@dataclass(frozen=True, slots=True)
class Shop:
    """What the demo knows of the log: titles by item id, and how often each household bought."""

    titles: dict[str, str]
    purchases: Counter[str]

    def household(self) -> str:
        """A household with a middling history: the one at the third quartile of purchases."""
        ranked = sorted(self.purchases, key=lambda user: (self.purchases[user], user))
        return ranked[len(ranked) * 3 // 4]

    def shoppers(self) -> tuple[Shopper, ...]:
        """Households from those that bought most to those that bought least, for who wants to shop as one."""
        ranked = sorted(self.purchases, key=lambda user: (-self.purchases[user], user))
        chosen = [ranked[len(ranked) * n // SHOPPERS] for n in range(SHOPPERS)]
        return tuple(Shopper(user, f"{self.purchases[user]} purchases") for user in dict.fromkeys(chosen))

    def item(self, word: str) -> str:
        """An item with ``word`` in its title, the first by title."""
        found = [(title, item_id) for item_id, title in self.titles.items() if word in title.lower()]
        return min(found)[1] if found else next(iter(self.titles))


def import_log(folder: Path) -> tuple[Path, Shop]:
    """The demo's shop as an event log, and what the demo must know of it."""
    shop = Shop({}, Counter())

    def noting(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Item):
                shop.titles[event.item_id] = event.title
            elif isinstance(event, Purchase):
                shop.purchases[event.user_id] += 1
            yield event

    log = folder / "complete-journey.jsonl"
    write_log(noting(sold()), log)
    return log, shop


def sold() -> Iterator[Event]:
    """Items that were sold at least ``LEAST`` times in four weeks of The Complete Journey, and their purchases.

    All 21,021 would take a minute to encode, of which nothing would be seen.
    """
    events = list(complete_journey.events(weeks=complete_journey.enough_weeks()))
    times = Counter(event.item_id for event in events if isinstance(event, Purchase))
    return (event for event in events if isinstance(event, (Item, Purchase)) and times[event.item_id] >= LEAST)
