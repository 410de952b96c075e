"""Files by their endings: JSON, Parquet, XML, packed and broken ones."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from streamrank_client.errors import LogError
from streamrank_client.events import Item, Purchase
from streams.offline.importers.table import files
from streams.offline.importers.table.importing import SHOWN
from tests.streams.offline.importers.table.reading import only, read, told, written

ROWS = [{"item_id": "p1", "title": "Tea", "price": 2.5}, {"item_id": 7, "title": "Cup", "category": ["a", "b"]}]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, ROWS)),
        "\ufeff" + "\n\n".join(map(json.dumps, ROWS)) + "\n",
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\ufeff\n" + json.dumps(ROWS, indent=2),
        json.dumps({"total": 2, "products": ROWS}, indent=1),
    ],
)
def test_json_in_its_shapes(tmp_path: Path, text: str) -> None:
    """Lines, a list, or the only list of an object; the ending does not say which."""
    outcome = read(written(tmp_path, "shop.json", text), "item")
    assert [(item.item_id, item.title, item.category) for item in only(outcome, Item)] == [
        ("p1", "Tea", []),
        ("7", "Cup", ["a", "b"]),
    ]


def test_broken_lines_are_refused_by_their_number(tmp_path: Path) -> None:
    """What is no object, cut off, or not UTF-8 does not stop the others."""
    lines = [b'{"item_id":"p1"}', b"[1]", b'{"item_id":"p2"', b'{"item_id":"p\xff"}', b"", b'{"item_id":"p3"}']
    outcome = read(written(tmp_path, "shop.jsonl", b"\n".join(lines)), "item")
    assert [row for row, _, _ in told(outcome)] == [2, 3, 4]
    assert [event.item_id for event in outcome.events if isinstance(event, Item)] == ["p1", "p3"]


@pytest.mark.parametrize(
    ("text", "said"),
    [('[{"a":1}', "neither JSON nor"), ('{\n"a": [],\n"b": []}', "2 lists"), ('{\n"a": 1}', "0 lists")],
)
def test_json_without_one_list_of_rows_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    """Which of two lists holds the rows is not guessed."""
    with pytest.raises(LogError, match=said):
        read(written(tmp_path, "shop.json", text), "item")


def test_a_dot_leads_into_objects(tmp_path: Path) -> None:
    """Nested values are named as in `offer.price`; a list stays a list."""
    row = {
        "sku": "p1",
        "offer": {"price": 3, "stock": {"count": 0}},
        "path": ["Food", "Tea"],
        "colours": ["red", "blue"],
    }
    maps = "item_id=sku,price=offer.price,in_stock=offer.stock.count,category=path,attributes.colour=colours"
    (item,) = only(read(written(tmp_path, "shop.jsonl", json.dumps(row)), "item", maps), Item)
    assert (item.price, item.in_stock, item.category) == (3, False, ["Food", "Tea"])
    assert item.attributes == {"colour": ["red", "blue"]}


@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_of_rows_may_be_named(tmp_path: Path, indent: int | None) -> None:
    """As interfaces answer: in one line, or beside other lists."""
    text = json.dumps({"links": [], "products": ROWS}, indent=indent)
    path = written(tmp_path, "shop.json", text)
    assert [item.item_id for item in only(read(path, "item", rows="products"), Item)] == ["p1", "7"]
    with pytest.raises(LogError, match=r"--rows product: 'shop\.json' has no list of that name: it has links, prod"):
        read(path, "item", rows="product")


def test_parquet_with_its_types(tmp_path: Path) -> None:
    """Times of any unit and zone, decimals, and the floating ids of a column with gaps."""
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    times = pa.array([moment, moment, moment], pa.timestamp("ns", "UTC"))
    table = pa.table(
        {
            "user_id": pa.array([1.0, 2.0, None]),
            "item_id": ["a", "b", "c"],
            "time": times.cast(pa.timestamp("ns", "Asia/Tokyo")),
            "price": pa.array([Decimal("2.50"), None, Decimal("1.00")], pa.decimal128(9, 2)),
            "quantity": pa.array([3, None, 1], pa.int32()),
        }
    )
    parquet.write_table(table, tmp_path / "orders.parquet")
    outcome = read(tmp_path / "orders.parquet", "purchase")
    assert [msgspec.structs.replace(event, event_id="e") for event in outcome.events] == [
        Purchase(event_id="e", user_id="1", item_id="a", time=1_772_366_400_000, quantity=3, price=2.5),
        Purchase(event_id="e", user_id="2", item_id="b", time=1_772_366_400_000),
    ]
    assert [(row, field) for row, field, _ in told(outcome)] == [(3, "user_id")]


def test_xml_rows_are_items_or_entries_of_any_namespace(tmp_path: Path) -> None:
    """Names that come again become lists, elements with children objects; text outside rows is none of theirs."""
    text = """<?xml version="1.0" encoding="iso-8859-1"?>
    <feed xmlns:x="urn:x"><title>Shop</title>
      <entry><x:item_id>p1</x:item_id><title><![CDATA[Grüner <Tee>]]></title>
        <category>a</category><category>b</category><offer><price>2</price></offer></entry>
      <entry><item_id>p2</item_id></entry></feed>""".encode("iso-8859-1")
    first, second = only(read(written(tmp_path, "feed.xml", text), "item", "price=offer.price"), Item)
    assert (first.item_id, first.title, first.category, first.price) == ("p1", "Grüner <Tee>", ["a", "b"], 2)
    assert second.item_id == "p2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<!DOCTYPE r [<!ENTITY a "aaaa">]><r><item><id>&a;</id></item></r>', "declares a document type"),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>', "declares a document type"),
        ("<r><item><item_id>p1</item_id></item>", "broken XML"),
        ("<r><item><item_id>&nosuch;</item_id></item></r>", "broken XML"),
        ("", "broken XML"),
    ],
)
def test_xml_that_is_broken_or_declares_entities_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    """An entity could name a file of this machine, or grow without end."""
    with pytest.raises(LogError, match=said):
        read(written(tmp_path, "feed.xml", text), "item")


def test_big_xml_is_read_piece_by_piece(tmp_path: Path) -> None:
    """Elements that lie across two pieces are whole."""
    rows = "".join(f"<item><item_id>p{n}</item_id><title>{'tea ' * 20}{n}</title></item>" for n in range(5_000))
    items = only(read(written(tmp_path, "feed.xml.gz", gzip.compress(f"<r>{rows}</r>".encode())), "item"), Item)
    assert [item.title for item in items] == [f"{'tea ' * 20}{n}" for n in range(5_000)]


#: pieces that make almost-right files
PIECES = st.sampled_from(
    [b'"', b",", b"\n", b"\r\n", b"item_id", b"p1", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"{", b"}", b"[", b"]",
     b":", b"<", b"<item>", b"</item>", b"<title>", b"</title>", b"&amp;", b"\xe4", b"PAR1", b"1e999", b"null",
     b"\\ud83d", b" "]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=6), max_size=40), st.sampled_from([*files.ENDINGS, ".csv.gz"]))
def test_whatever_is_in_a_file_is_read_refused_or_told(pieces: list[bytes], ending: str) -> None:
    """No bytes, however wrong, end in anything but events, refusals by row, or one error that names the file."""
    junk = b"".join(pieces)
    with TemporaryDirectory() as folder:
        for content in (junk, b"item_id,title\n" + junk, b'{"item_id":"p"}\n' + junk):
            path = written(Path(folder), f"shop{ending}", content)
            with suppress(LogError):
                outcome = read(path, "item")
                assert len(outcome.refusals) == min(outcome.refused.total(), SHOWN)
                assert all(refusal.message for refusal in outcome.refusals)


def test_other_endings_and_missing_or_cut_files_are_errors(tmp_path: Path) -> None:
    """Each names the path and the remedy."""
    with pytest.raises(LogError, match=r"shop\.xlsx': a table's name ends with \.csv"):
        read(tmp_path / "shop.xlsx", "item")
    with pytest.raises(LogError, match=r"shop\.csv' cannot be read: No such file"):
        read(tmp_path / "shop.csv", "item")
    packed = gzip.compress(b"item_id\n" + b"".join(b"p%d\n" % (n * n) for n in range(50_000)))
    for name, content in (
        ("shop.csv.gz", packed[: len(packed) // 2]),
        ("shop.jsonl.gz", b"no gzip"),
        ("a.parquet", b"PAR"),
    ):
        with pytest.raises(LogError, match=r"check that it is whole|check the path"):
            read(written(tmp_path, name, content), "item")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON and XML do without it."""
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    for name in ("shop.csv", "shop.parquet"):
        with pytest.raises(LogError, match=r"needs the extra 'tables': pip install 'streamrank\[tables\]'"):
            read(written(tmp_path, name, "item_id\n"), "item")
    assert len(read(written(tmp_path, "shop.jsonl", '{"item_id":"p1"}'), "item").events) == 1


def test_a_spreadsheet_is_to_be_saved_as_csv(tmp_path: Path) -> None:
    """Another ending that is not read gets no such advice."""
    for name, advised in (("prices.XLSX", True), ("prices.ods", True), ("prices.doc", False)):
        with pytest.raises(LogError) as error:
            read(written(tmp_path, name, b"PK"), "item")
        assert ("save the sheet as CSV" in str(error.value)) == advised


def test_a_list_within_one_line_is_to_be_named(tmp_path: Path) -> None:
    """A line of JSON Lines may hold lists, so it is no guess which has the rows."""
    path = written(tmp_path, "products.json", json.dumps({"products": [{"id": "p1"}], "total": 1}))
    with pytest.raises(LogError, match=r"no row has it: .* say with --rows which list has the rows"):
        read(path, "item", "item_id=id")
    (item,) = only(read(path, "item", "item_id=id", rows="products"), Item)
    assert item.item_id == "p1"


def test_a_file_without_a_single_object_is_refused_by_its_lines(tmp_path: Path) -> None:
    """No column is missing where there is no row."""
    ((row, _, message),) = told(read(written(tmp_path, "shop.json", "5"), "item", "item_id=id"))
    assert (row, message.partition(":")[0]) == (1, "no JSON object")
