"""Ratings of movies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import Item, Rating
from streams.offline.importers.movielens import events, natural_title
from tests.streams.offline.importers.logs import assert_log

MOVIES = 'movieId,title,genres\n1,"Shawshank Redemption, The (1994)",Crime|Drama\n2,Cosmos,(no genres listed)\n'


def cinema(folder: Path, *lines: str) -> Path:
    """A folder with these ratings and two movies."""
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + "\n".join(lines))
    (folder / "movies.csv").write_text(MOVIES)
    return folder


def test_the_whole_log_has_the_readmes_counts(data_set: Callable[[str], Path]) -> None:
    """100,836 ratings from 1996-03-29 on, 9,742 movies, all before the first rating."""
    log = list(events(data_set("ml_latest_small")))
    assert assert_log(log) == {"rating": 100_836, "item": 9_742, "known": 100_836}
    assert all(isinstance(event, Item) for event in log[:9_742])
    assert log[9_742].time == 828_124_615_000


def test_the_order_of_one_second_is_random_but_fixed(data_set: Callable[[str], Path]) -> None:
    """The files sort a second's ratings by movie; the log does not, unless the order is kept."""
    folder = data_set("ml_latest_small")
    log, kept = list(events(folder)), list(events(folder, keep_order=True))
    assert log != kept
    assert log == list(events(folder))
    assert [event.time for event in log] == [event.time for event in kept]


def test_ratings_and_movies_become_events(tmp_path: Path) -> None:
    """Seconds become milliseconds, genres the category, an article goes in front, rows are sorted."""
    assert list(events(cinema(tmp_path, "5,2,3.5,20", "5,1,4.0,10"))) == [
        Item(
            item_id="1",
            time=9_999,
            title="The Shawshank Redemption (1994)",
            category=["Crime", "Drama"],
            attributes={"year": 1994.0},
        ),
        Item(item_id="2", time=9_999, title="Cosmos"),
        Rating(event_id="ml-1", user_id="5", item_id="1", time=10_000, value=4.0),
        Rating(event_id="ml-0", user_id="5", item_id="2", time=20_000, value=3.5),
    ]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("American President, The (1995)", "The American President (1995)"),
        ("City of Lost Children, The (Cité des enfants perdus, La) (1995)", None),
        ("Sex, Lies, and Videotape (1989)", "Sex, Lies, and Videotape (1989)"),
        ("Beautiful Mind, A (2001) ", "A Beautiful Mind (2001)"),
    ],
)
def test_articles_go_in_front(title: str, expected: str | None) -> None:
    """Only an article at the end of the name moves; a foreign title in brackets stays behind it."""
    if expected is None:
        expected = "The City of Lost Children (Cité des enfants perdus, La) (1995)"
    assert natural_title(title) == expected


def test_a_broken_rating_is_named(tmp_path: Path) -> None:
    """A value that is no number names the file and the row; no ratings at all is an error as well."""
    with pytest.raises(LogError, match=r"ratings\.csv', data row 1: could not convert"):
        list(events(cinema(tmp_path, "5,2,good,20")))
    with pytest.raises(LogError, match="without ratings"):
        list(events(cinema(tmp_path)))
