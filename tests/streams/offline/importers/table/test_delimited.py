"""CSV in its delimiters and encodings, and rows that cannot be cut."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.errors import LogError
from streamrank_client.events import Item
from streams.offline.importers.table import delimited
from tests.streams.offline.importers.table.reading import only, read, told, written

TEXT = "item_id{0}title\np1{0}Grüner Tee\np2{0}Käse\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out_and_told(tmp_path: Path, delimiter: str) -> None:
    """Each of the usual ones, in a file with the same ending."""
    outcome = read(written(tmp_path, "shop.csv", TEXT.format(delimiter)), "item")
    assert [item.title for item in only(outcome, Item)] == ["Grüner Tee", "Käse"]
    assert f"shop.csv: read as utf-8 with the delimiter {delimiter!r}" in outcome.told


def test_any_other_delimiter_is_named(tmp_path: Path) -> None:
    """A delimiter that is not found out is an option; nothing is then told."""
    outcome = read(written(tmp_path, "shop.txt", TEXT.format("^")), "item", delimiter="^", encoding="utf-8")
    assert [item.item_id for item in only(outcome, Item)] == ["p1", "p2"]
    assert not any("read as" in line for line in outcome.told)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (codecs.BOM_UTF8 + TEXT.format(";").encode(), None),
        (codecs.BOM_UTF8 + TEXT.format(";").encode(), "utf-8"),
        (TEXT.format(";").encode("utf-16"), None),
        (codecs.BOM_UTF16_BE + TEXT.format(";").encode("utf-16-be"), None),
        (TEXT.format(";").encode("utf-32"), None),
        (TEXT.format(";").encode("cp1252"), "windows-1252"),
        (TEXT.format(";").encode("mac-roman"), "mac-roman"),
        (gzip.compress(TEXT.format(";").encode("utf-16"), mtime=0), None),
    ],
)
def test_encodings_by_their_mark_or_name(tmp_path: Path, content: bytes, encoding: str | None) -> None:
    """The mark at a file's beginning is no part of the first column's name."""
    name = "shop.csv.gz" if content.startswith(b"\x1f\x8b") else "shop.csv"
    outcome = read(written(tmp_path, name, content), "item", encoding=encoding)
    assert [(item.item_id, item.title) for item in only(outcome, Item)] == [("p1", "Grüner Tee"), ("p2", "Käse")]


def test_multibyte_encodings_may_hold_the_delimiter_within_a_character(tmp_path: Path) -> None:
    """In Shift JIS the second byte of ポ is that of |."""
    content = "item_id|title\np1|ポスト\n".encode("shift-jis")
    assert b"|" in "ポ".encode("shift-jis")
    (item,) = only(read(written(tmp_path, "shop.csv", content), "item", encoding="shift-jis"), Item)
    assert item.title == "ポスト"


def test_bytes_of_another_encoding_refuse_their_row_alone(tmp_path: Path) -> None:
    """The remedy is told, and the other rows come through."""
    content = b"item_id,title\np1,tea\np2,K\xe4se\np3,cup\n"
    outcome = read(written(tmp_path, "shop.csv", content), "item")
    assert [event.item_id for event in outcome.events if isinstance(event, Item)] == ["p1", "p3"]
    assert told(outcome) == [(3, "", "'K�se' is not utf-8: name the file's encoding with --encoding")]
    assert outcome.refusals[0].column == "title"


def test_row_numbers_are_those_of_a_spreadsheet(tmp_path: Path) -> None:
    """The header is row 1; empty rows, rows over several lines and rows that are refused are counted."""
    content = (
        'item_id,title,price\np1,"two\nlines",1\n\nshort\np2,a,b,long\np3,ok,x\n,,\np4,,y\n"p5","with ""quotes""",2\n'
    )
    outcome = read(written(tmp_path, "shop.csv", content), "item")
    assert [(event.item_id, event.title) for event in outcome.events if isinstance(event, Item)] == [
        ("p1", "two\nlines"),
        ("p5", 'with "quotes"'),
    ]
    assert [(row, field) for row, field, _ in told(outcome)] == [(4, ""), (5, ""), (6, "price"), (8, "price")]
    assert "1 values, but the header has 3" in told(outcome)[0][2]
    assert outcome.refused == {"": 2, "price": 2}


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufffd\r")), min_size=1, max_size=8
    )
)
def test_quoted_texts_come_back_whatever_is_in_them(texts: list[str]) -> None:
    """Delimiters, quotes, new lines, marks and any script."""
    import tempfile

    rows = "".join('"' + text.replace('"', '""') + f'";p{n};2026-03-01\n' for n, text in enumerate(texts))
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), "shop.csv", "text;request_id;time\n" + rows)
        outcome = read(path, "query")
    found = {event.request_id: event.text for event in outcome.events}  # type: ignore[union-attr]
    assert found == {f"p{n}": text.strip() for n, text in enumerate(texts)}


def test_rows_at_the_border_of_two_blocks_keep_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A big file is parsed in blocks; each row that is refused has the number that it has in the file."""
    monkeypatch.setattr(delimited, "BLOCK", 256)
    rows = [f"p{n},{'wrong' if n % 11 == 0 else n}\n" if n % 7 else f"p{n}\n" for n in range(2, 400)]
    outcome = read(written(tmp_path, "shop.csv", "item_id,price\n" + "".join(rows)), "item")
    assert {event.item_id for event in outcome.events if isinstance(event, Item)} == {
        f"p{n}" for n in range(2, 400) if n % 7 and n % 11
    }
    assert [row for row, _, _ in told(outcome)] == [n for n in range(2, 400) if not (n % 7 and n % 11)][:10]


def test_a_quote_that_does_not_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows it is one row that is too short; where that does not fit into a block, the file is an error."""
    path = written(tmp_path, "shop.csv", 'item_id,title\np0,pot\n"p1,tea\n' + "p2,cup\n" * 50)
    outcome = read(path, "item")
    assert len(outcome.events) == 1
    assert told(outcome)[0][0] == 3
    assert "it runs over 51 lines: look for a quote that does not end" in told(outcome)[0][2]
    monkeypatch.setattr(delimited, "BLOCK", 128)
    with pytest.raises(LogError, match=r"shop\.csv' cannot be cut into rows.*look for a quote that does not end"):
        read(path, "item")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no header"),
        ("\n1,2\n", "has no header"),
        ('"item_id,title\n' + "p1,tea\n" * 50_000, "look for a quote that does not end"),
    ],
)
def test_a_file_that_cannot_be_cut_is_an_error(tmp_path: Path, content: str, said: str) -> None:
    """It names the file and what to look for."""
    with pytest.raises(LogError, match=f"shop.csv.*{said}"):
        read(written(tmp_path, "shop.csv", content), "item")


def test_an_encoding_that_nobody_knows_is_told(tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(LogError, match="unknown encoding 'klingon'"):
        read(written(tmp_path, "shop.csv", "a\n"), "item", encoding="klingon")


def test_a_header_in_another_encoding_is_told(tmp_path: Path) -> None:
    """It is no column that is missing: the file's encoding must be named, which then reads it."""
    path = written(tmp_path, "shop.csv", "商品编号,名称\np1,绿茶\n".encode("gbk"))
    with pytest.raises(LogError, match=r"is not utf-8: name the file's encoding with --encoding"):
        read(path, "item", "item_id=商品编号,title=名称")
    (item,) = only(read(path, "item", "item_id=商品编号,title=名称", encoding="gbk"), Item)
    assert (item.item_id, item.title) == ("p1", "绿茶")


@pytest.mark.parametrize("beginning", [b"PK\x03\x04\x14\x00", b"\xd0\xcf\x11\xe0\xa1\xb1"])
def test_a_workbook_under_the_name_of_a_csv_is_told(tmp_path: Path, beginning: bytes) -> None:
    """Whatever follows in it, nobody sees its bytes."""
    with pytest.raises(LogError, match=r"is a spreadsheet .*: save the sheet as CSV"):
        read(written(tmp_path, "shop.csv", beginning + bytes(range(256))), "item")


def test_a_row_that_is_too_short_is_told_what_it_lacks(tmp_path: Path) -> None:
    """Quotes are the remedy for too many values, not for too few."""
    outcome = read(written(tmp_path, "shop.tsv", "item_id\ttitle\tprice\np1\tTea\np2\ta\tb\t3\n"), "item")
    (_, _, short), (_, _, long) = told(outcome)
    assert short.startswith("2 values, but the header has 3: write '\\t' for an empty value too")
    assert long == "4 values, but the header has 3: quote what holds '\\t'"
