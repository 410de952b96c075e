"""Reading CSV files and the order of a basket's lines."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.errors import LogError
from streamrank_client.events import Purchase
from streams.offline.importers.base import find_file, read_rows, shuffle_lines
from streams.offline.importers.registry import IMPORTERS


def purchase(row: int, time: int, basket: int) -> Purchase:
    """One line of a receipt."""
    return Purchase(event_id=f"e{row}", user_id="u", item_id=f"i{row}", time=time, basket_id=f"b{basket}")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=40), st.integers(0, 2**32))
def test_shuffling_moves_lines_only_within_their_basket(moments: list[tuple[int, int]], seed: int) -> None:
    """Every line survives, times stay sorted, and a moment's baskets keep the order of their first lines."""
    lines = [purchase(row, time, basket) for row, (time, basket) in enumerate(sorted(moments))]
    shuffled = list(shuffle_lines(lines, lambda line: line.basket_id, seed))
    assert sorted(line.event_id for line in shuffled) == sorted(line.event_id for line in lines)
    assert [(line.time, line.basket_id) for line in shuffled] == [(a.time, a.basket_id) for a in lines]


def test_shuffling_depends_on_the_seed_alone() -> None:
    """Twenty lines of one basket: the same seed, the same order; another seed, another order."""
    lines = [purchase(row, 7, 0) for row in range(20)]
    orders = [list(shuffle_lines(lines, lambda line: line.basket_id, seed)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != lines


def test_baskets_of_one_moment_are_gathered() -> None:
    """Lines of two baskets that alternate within a minute come basket by basket."""
    lines = [purchase(row, 7, row % 2) for row in range(10)]
    baskets = [line.basket_id for line in shuffle_lines(lines, lambda line: line.basket_id, 0)]
    assert baskets == ["b0"] * 5 + ["b1"] * 5


def test_columns_come_in_the_order_asked_for(tmp_path: Path) -> None:
    """Quoted commas and newlines survive, and gzip is read like plain text."""
    text = 'a,b,c\n1,"x, y\nz",3\n'
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("t.csv", "t.csv.gz"):
        assert list(read_rows(tmp_path / name, ("c", "b"))) == [["3", "x, y\nz"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,c\n1,2\n", "no column 'b'"),
        (b"a,b\n1,2\n1\n", "line 3: fewer fields"),
        (b"a,b\n\xff\xfe,1\n", "cannot be read"),
        (b"", "no column 'a'"),
    ],
)
def test_an_unreadable_file_says_where_and_why(tmp_path: Path, content: bytes, said: str) -> None:
    """A missing column, a short line, a wrong encoding and an empty file each name the file."""
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(LogError, match=said) as caught:
        list(read_rows(file, ("a", "b")))
    assert str(file) in str(caught.value)


def test_a_truncated_gzip_file_is_an_error(tmp_path: Path) -> None:
    """Half a file must not pass for a short data set."""
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(10_000)))
    (tmp_path / "t.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LogError, match="cannot be read after line"):
        list(read_rows(tmp_path / "t.csv.gz", ("a", "b")))


def test_a_missing_file_names_what_to_put_where(tmp_path: Path) -> None:
    """The message names both spellings, the folder and the importer."""
    with pytest.raises(LogError, match=r"movielens: no ratings.csv or ratings.csv.gz in"):
        find_file(tmp_path, "ratings.csv", "movielens")


@pytest.mark.parametrize("name", ["online-retail", "best-buy", "movielens"])
def test_importers_of_files_ask_for_their_folder(name: str) -> None:
    """Without PATH, the error lists the files; with weeks, it says that there are none."""
    with pytest.raises(LogError, match=f"{name} needs PATH: the folder with .*csv and .*csv"):
        IMPORTERS[name].open(None)
    with pytest.raises(LogError, match="has no weeks"):
        IMPORTERS[name].open(Path(), weeks=(1, 2))


def test_the_registry_has_the_four_data_sets_of_the_command_line() -> None:
    """The names are those of ``streamrank import``, and each has a line of help."""
    assert list(IMPORTERS) == ["complete-journey", "online-retail", "best-buy", "movielens"]
    assert all(importer.name == name and importer.help for name, importer in IMPORTERS.items())
