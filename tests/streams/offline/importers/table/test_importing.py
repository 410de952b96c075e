"""Tables as events: mapping, what is filled in, what is refused, and the order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import AddToCart, Behavior, Click, Delete, Impression, Item, ItemUpdate, Purchase, Query
from streamrank_client.routing import head, route
from streamrank_client.topics import topics
from streams.offline.importers.log import write_log
from streams.offline.importers.table.conversion import STRUCTS
from streams.offline.importers.table.importing import TableOptions, read_tables
from tests.streams.offline.importers.table.reading import IMPORTED, only, read, told, written


def test_a_german_price_list_becomes_items(tmp_path: Path) -> None:
    """Columns by --map, decimal commas, a path with its separator, attributes of a kind; stock as a number."""
    text = (
        "Artikelnr;Name;Preis;Warengruppe;Gewicht;Farbe;Lager;Gruppe\n"
        'p1;Grüner Tee;"1.299,50 €";Getränke/Tee;0,25;grün;3;g1\n'
        "p2;Becher;4;;;;0;\n"
    )
    maps = (
        "item_id=Artikelnr,title=Name,price=Preis,category=Warengruppe,in_stock=Lager,group_id=Gruppe",
        "attributes.weight:number=Gewicht,attributes.colour=Farbe",
    )
    outcome = read(written(tmp_path, "liste.csv", text), "item", *maps, decimal=",", separator="/")
    assert only(outcome, Item) == [
        Item(
            item_id="p1", time=IMPORTED, title="Grüner Tee", price=1299.5, category=["Getränke", "Tee"], group_id="g1",
            attributes={"weight": 0.25, "colour": "grün"},
        ),
        Item(item_id="p2", time=IMPORTED, title="Becher", price=4, in_stock=False),
    ]  # fmt: skip
    assert "items without a time are of 2023-11-14T22:13:20+00:00: --time says another" in outcome.told


@pytest.mark.parametrize(
    ("tag", "header", "row", "event"),
    [
        ("click", "event_id,User ID,item_id,time,position,query", "e1,u1,p1,{},2,tea",
         Click(event_id="e1", user_id="u1", item_id="p1", time=IMPORTED, position=2, query="tea")),
        ("add_to_cart", "event_id,user_id,item_id,time,quantity", "e1,u1,p1,{},3",
         AddToCart(event_id="e1", user_id="u1", item_id="p1", time=IMPORTED, quantity=3)),
        ("purchase", "event_id,user_id,item_id,time,price,basket_id", "e1,u1,p1,{},2.5,b1",
         Purchase(event_id="e1", user_id="u1", item_id="p1", time=IMPORTED, price=2.5, basket_id="b1")),
        ("impression", "event_id,user_id,item_ids,time", 'e1,u1,"p1, p2",{}',
         Impression(event_id="e1", user_id="u1", item_ids=["p1", "p2"], time=IMPORTED)),
        ("query", "request_id,user_id,text,surface,time", "r1,u1,red tea,search,{}",
         Query(request_id="r1", user_id="u1", text="red tea", surface="search", time=IMPORTED)),
        ("item_update", "item_id,price,in_stock", "p1,2,no",
         ItemUpdate(item_id="p1", price=2, in_stock=False, time=IMPORTED)),
        ("delete", "item_id,time", "p1,{}", Delete(item_id="p1", time=IMPORTED)),
    ],
    ids=lambda value: value if isinstance(value, str) and value in STRUCTS else "",
)  # fmt: skip
def test_a_row_of_each_kind(tmp_path: Path, tag: str, header: str, row: str, event: object) -> None:
    """Columns named like fields are taken, whatever their capitals and spaces."""
    text = f"{header}\n{row.format('2023-11-14T22:13:20Z')}\n"
    outcome = read(written(tmp_path, "t.csv", text), tag)
    assert outcome.refusals == []
    assert outcome.events == [event]


def test_every_kind_of_behaviour_can_be_imported() -> None:
    """A kind that is added to the events is one that --as knows."""
    assert {str(kind.__struct_config__.tag) for kind in get_args(Behavior)} <= STRUCTS.keys()


def test_what_is_refused_names_row_field_column_value_and_remedy(tmp_path: Path) -> None:
    """A row of each fault between good ones."""
    text = (
        "SKU,Name,price,in_stock,valid_from,category\n"
        "p1,Tea,2,yes,,\n"
        ",Nameless,1,,,\n"
        "p3,Cup,cheap,,,\n"
        "p4,Cup,-1,,,\n"
        "p5,Cup,1,perhaps,,\n"
        "p6,Cup,1,,yesterday,\n"
        f"p7,Cup,1,,,{'x' * 129}\n"
        "p1,Again,1,,,\n"
        "p8,Pot,3,no,2026-03-01,\n"
    )
    outcome = read(written(tmp_path, "shop.csv", text), "item", "item_id=SKU,title=Name")
    assert [event.item_id for event in outcome.events if isinstance(event, Item)] == ["p1", "p8"]
    assert [(refusal.row, refusal.field, refusal.column) for refusal in outcome.refusals] == [
        (3, "item_id", "SKU"), (4, "price", "price"), (5, "price", "price"), (6, "in_stock", "in_stock"),
        (7, "valid_from", "valid_from"), (8, "category[0]", "category"), (9, "item_id", "SKU"),
    ]  # fmt: skip
    messages = [refusal.message for refusal in outcome.refusals]
    assert messages[0] == "required, but missing: fill the column in, or --map item_id=COLUMN"
    assert messages[1] == "'cheap' is no number: correct it in the file"
    assert messages[2] == "Expected `float` >= 0.0: -1.0: correct it in the file"
    assert "'perhaps' is neither yes nor no" in messages[3]
    assert "'yesterday' is no ISO 8601 time" in messages[4]
    assert "of 129 characters: correct it" in messages[5]
    assert messages[6] == "'p1' is in row 2 of shop.csv already: remove one, or map another id"


def test_behaviour_without_a_time_is_refused(tmp_path: Path) -> None:
    """Only what holds from now on may do without; when something happened is not made up."""
    outcome = read(written(tmp_path, "t.csv", "user_id,item_id\nu1,p1\n"), "view")
    assert told(outcome) == [(2, "time", "required, but missing: fill the column in, or --map time=COLUMN")]


def test_numbers_beyond_all_bounds_are_refused(tmp_path: Path) -> None:
    """Even those that JSON could not carry."""
    text = f"user_id,item_id,time,quantity\nu1,p1,2026-03-01,{10**30}\nu1,p1,2026-03-01,{'9' * 400}\n"
    outcome = read(written(tmp_path, "t.csv", text), "purchase")
    assert [(row, field) for row, field, _ in told(outcome)] == [(2, "quantity"), (3, "quantity")]


def test_seconds_that_are_called_milliseconds_are_told(tmp_path: Path) -> None:
    """The remedy is an option, not a change of the file."""
    outcome = read(written(tmp_path, "t.csv", "user_id,item_id,time\nu1,p1,1700000000\n"), "view", time_format="ms")
    assert told(outcome) == [(2, "time", "'1700000000' is in seconds: --time-format s")]


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        (("titel=Name",), "'titel' is no field of item: it has time, item_id, title"),
        (("title",), "expected field=Column"),
        (("attributes.=Name",), "expected attributes.NAME"),
        (("attributes.size:big=Name",), "expected attributes.NAME or one with :text, :number, :truth, :list"),
        (("title=Nme",), "'Nme', but 'shop.csv' has no such column: it has item_id, Name"),
    ],
)
def test_a_wrong_mapping_is_an_error_before_anything_is_read(tmp_path: Path, maps: Sequence[str], said: str) -> None:
    """A misspelt column would leave all items without a title."""
    with pytest.raises(LogError) as caught:
        read(written(tmp_path, "shop.csv", "item_id,Name\np1,Tea\n"), "item", *maps)
    assert said in str(caught.value)


def test_each_table_must_have_the_mapped_columns(tmp_path: Path) -> None:
    """One of two files with another header would lose its titles without a word."""
    first = written(tmp_path, "a.csv", "item_id,Name\np1,Tea\n")
    second = written(tmp_path, "b.csv", "item_id,Title\np2,Cup\n")
    with pytest.raises(LogError, match=r"'Name', but 'b\.csv' has no such column: it has item_id, Title"):
        read_tables([first, second], TableOptions("item", None, 0, ("title=Name",)))


def test_a_column_that_no_object_has_is_an_error(tmp_path: Path) -> None:
    """JSON has no header: it is known at the end, and nothing is written then."""
    path = written(tmp_path, "shop.jsonl", '{"item_id":"p1"}\n{"item_id":"p2","name":"Tea"}\n')
    assert len(read(path, "item", "title=name").events) == 2
    with pytest.raises(LogError, match="--map names 'nme', but no row has it"):
        read(path, "item", "title=nme")


def test_columns_that_are_not_read_are_told(tmp_path: Path) -> None:
    """So that a newcomer sees what he forgot to map."""
    outcome = read(written(tmp_path, "shop.csv", "item_id,Name,Preis\np1,Tea,1\n"), "item", "title=Name")
    assert "shop.csv: columns that are not read: Preis (--map field=Column)" in outcome.told


def test_commas_in_names_of_columns_are_quoted(tmp_path: Path) -> None:
    """As CSV quotes them."""
    path = written(tmp_path, "shop.csv", 'item_id,"Name, long"\np1,Tea\n')
    (item,) = only(read(path, "item", '"title=Name, long"'), Item)
    assert item.title == "Tea"


def test_a_name_that_two_columns_share_is_that_of_the_first(tmp_path: Path) -> None:
    """The other can be mapped by its name and number."""
    path = written(tmp_path, "shop.csv", "item_id,title,title\np1,Tea,Red tea\n")
    assert [item.title for item in only(read(path, "item"), Item)] == ["Tea"]
    assert [item.title for item in only(read(path, "item", "title=title 3"), Item)] == ["Red tea"]


def test_several_files_are_one_log_sorted_by_time(tmp_path: Path) -> None:
    """Events of one moment stay as they come; every line has its topic and partition."""
    first = written(tmp_path, "b.csv", "user_id,item_id,time\nu1,p1,2026-03-02\nu2,p1,2026-03-01\n")
    second = written(tmp_path, "a.jsonl", '{"user_id":"u3","item_id":"p2","time":"2026-03-01"}\n')
    shares: list[tuple[str, float]] = []
    outcome = read_tables(
        [first, second], TableOptions("click", None, 0), lambda name, share: shares.append((name, share))
    )
    assert [click.user_id for click in only(outcome, Click)] == ["u2", "u3", "u1"]
    assert shares[-2:] == [("b.csv", 1.0), ("a.jsonl", 1.0)]
    write_log(outcome.events, tmp_path / "log.jsonl")
    for line in (tmp_path / "log.jsonl").read_bytes().splitlines():
        spec, key, _ = route(head(line), topics(4))
        assert spec.name == "behavior-events"
        assert key in (b"u1", b"u2", b"u3")


def test_ids_that_a_file_does_not_have_follow_from_its_rows(tmp_path: Path) -> None:
    """Imported twice, behaviour counts once; twice in one file, or in next month's file of the same name, it counts."""
    row = "u1,p1,2026-03-02\n"
    path = written(tmp_path, "orders.csv", f"user_id,item_id,time\n{row}{row}")
    first, again = (only(read(path, "purchase"), Purchase) for _ in range(2))
    assert first == again
    assert len({event.event_id for event in first}) == 2
    (tmp_path / "april").mkdir()
    april = written(tmp_path / "april", "orders.csv", "user_id,item_id,time\nu1,p1,2026-04-02\n")
    assert only(read(april, "purchase"), Purchase)[0].event_id not in {event.event_id for event in first}


def test_the_same_item_in_two_files_of_one_name_is_refused(tmp_path: Path) -> None:
    """Their folders differ, their rows do not."""
    (tmp_path / "b").mkdir()
    paths = [written(folder, "shop.csv", "item_id\np1\n") for folder in (tmp_path, tmp_path / "b")]
    assert told(read_tables(paths, TableOptions("item", None, IMPORTED))) == [
        (2, "item_id", "'p1' is in row 2 of shop.csv already: remove one, or map another id")
    ]


@pytest.mark.parametrize(
    ("tag", "format", "maps", "said"),
    [
        (None, None, (), "--as: say what a row is: item, item_update, delete"),
        ("stare", None, (), "--as stare: say what a row is"),
        (None, "magento", (), "--format magento: none of google-merchant, shopify, woocommerce, ga4"),
        ("click", "shopify", (), "--as click: shopify gives item; leave the option out"),
        (None, "ga4", ("user_id=uid",), "ga4 knows its columns"),
    ],
)
def test_options_that_do_not_go_together_are_told(
    tmp_path: Path, tag: str | None, format: str | None, maps: tuple[str, ...], said: str
) -> None:
    """Each with the remedy."""
    with pytest.raises(LogError) as caught:
        read(written(tmp_path, "a.csv", "a\n"), tag, *maps, format=format)
    assert said in str(caught.value)
