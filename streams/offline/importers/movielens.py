"""MovieLens (GroupLens): ratings of movies; any release with ``ratings.csv`` and ``movies.csv``.

One `rating` a row, one `item` a movie with its genres as category and its year as an attribute. Nothing
says when a movie entered the catalogue: all items come first, a millisecond before the first rating.
Ratings that a user gave in the same second come in a random order: the files sort them by movie.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Final

from streamrank_client.errors import LogError
from streamrank_client.events import Event, Item, Rating
from streams.offline.importers.base import Importer, find_file, read_rows, shuffle_lines, unreadable

NAME: Final = "movielens"
_TITLE: Final = re.compile(r"(?P<name>.*?)(?P<article>, (?:The|A|An))?(?P<rest>(?: \([^)]*\))*)$")
_YEAR: Final = re.compile(r"\((\d{4})\)$")


def events(path: Path | None, *, keep_order: bool = False, seed: int = 0) -> Iterator[Event]:
    """Yield the log; ``keep_order`` leaves ratings of one user and second in the file's order.

    Raises LogError for a missing file or column and for an empty ratings file.
    """
    ratings = sorted(_ratings(find_file(path, "ratings.csv", NAME)), key=attrgetter("time"))
    if not ratings:
        raise LogError(f"{NAME}: '{path}' has a ratings file without ratings")
    yield from _items(find_file(path, "movies.csv", NAME), ratings[0].time - 1)
    yield from ratings if keep_order else shuffle_lines(ratings, attrgetter("user_id"), seed)


def natural_title(title: str) -> str:
    """Return the title with its article in front.

    >>> natural_title("Shawshank Redemption, The (1994)"), natural_title("Toy Story (1995)")
    ('The Shawshank Redemption (1994)', 'Toy Story (1995)')
    """
    match = _TITLE.fullmatch(title.strip())
    if match is None or match["article"] is None:
        return title.strip()
    return f"{match['article'][2:]} {match['name']}{match['rest']}"


def _items(file: Path, time: int) -> Iterator[Item]:
    for movie, title, genres in read_rows(file, ("movieId", "title", "genres")):
        year = _YEAR.search(title.strip())
        yield Item(
            item_id=movie,
            time=time,
            title=natural_title(title),
            category=[] if genres == "(no genres listed)" else genres.split("|"),
            attributes={"year": float(year[1])} if year else {},
        )


def _ratings(file: Path) -> Iterator[Rating]:
    columns = ("userId", "movieId", "rating", "timestamp")
    for row, (user, movie, value, seconds) in enumerate(read_rows(file, columns)):
        try:
            time, stars = int(seconds) * 1000, float(value)
        except ValueError as error:
            raise unreadable(file, row, error) from error
        yield Rating(event_id=f"ml-{row}", user_id=user, item_id=movie, time=time, value=stars)


IMPORTER: Final = Importer(
    name=NAME,
    help="ratings of movies (GroupLens MovieLens; ml-latest-small fits)",
    events=events,
    files=("ratings.csv", "movies.csv"),
)
