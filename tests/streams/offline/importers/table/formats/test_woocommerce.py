"""WooCommerce's product export: variations, sales, categories, what is not sold."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from streamrank_client.events import Item
from tests.streams.offline.importers.table.reading import only, read, told, written

HEAD = (
    "ID,Type,SKU,Name,Published,Visibility in catalog,Short description,Description,Date sale price starts,"
    "Date sale price ends,In stock?,Stock,Sale price,Regular price,Categories,Tags,Images,Parent,Brands,"
    "Attribute 1 name,Attribute 1 value(s),Attribute 2 name,Attribute 2 value(s)\n"
)
ROWS = (
    '44,variable,HOODIE,Hoodie,1,visible,Warm,,,,1,,,,"Sale, Clothing > Hoodies","soft, new",a.png,,Acme,Color,'
    '"Blue, Green",Material,Cotton\n'
    "45,variation,HOODIE-B,Hoodie - Blue,1,visible,,,2026-03-01,2026-03-07,1,3,35,45,,,,HOODIE,,Color,Blue,,\n"
    "46,variation,HOODIE-G,,1,visible,,,,,0,0,,45,,,,id:44,,Color,Green,,\n"
    '47,"simple, virtual",,"Gift, card",1,visible,,A card,,,backorder,,,10,,,,,,,,,\n'
    "48,simple,OLD,Old,-1,visible,,,,,1,,,1,,,,,,,,,\n"
    "49,simple,HID,Hidden,1,hidden,,,,,1,,,1,,,,,,,,,\n"
    "50,variable,LONE,Lone,1,visible,,,,,1,,,,Things,,,,,,,,\n"
)


def test_an_export_becomes_what_can_be_bought(tmp_path: Path) -> None:
    """Variations stand for their product and take from it what they do not say; sales end with their last day."""
    outcome = read(
        written(tmp_path, "wc.csv", "\ufeff" + HEAD + ROWS), format="woocommerce", zone=ZoneInfo("Europe/Berlin")
    )
    blue, green, card, lone = only(outcome, Item)
    assert [item.item_id for item in (blue, green, card, lone)] == ["45", "46", "47", "50"]
    assert (blue.title, green.title) == ("Hoodie - Blue", "Hoodie")
    for hoodie in (blue, green):
        assert (hoodie.description, hoodie.brand, hoodie.group_id) == ("Warm", "Acme", "44")
        assert hoodie.category == ["Clothing", "Hoodies"]
        assert hoodie.attributes["Material"] == "Cotton"
        assert hoodie.attributes["tags"] == ["soft", "new"]
    assert blue.attributes["Color"] == "Blue"
    assert blue.attributes["sku"] == "HOODIE-B"
    assert (blue.price, blue.list_price, blue.in_stock) == (35, 45, True)
    assert (blue.valid_from, blue.valid_to) == (1_772_319_600_000, 1_772_924_399_000)
    assert (green.price, green.list_price, green.in_stock) == (45, None, False)
    assert (card.title, card.description, card.group_id, card.in_stock) == ("Gift, card", "A card", None, True)
    assert lone.group_id is None
    assert outcome.left_out == {
        "a variable product, whose variations stand for it": 1,
        "not published": 1,
        "hidden from the catalogue": 1,
    }


def test_a_product_that_is_not_published_takes_its_variations_along(tmp_path: Path) -> None:
    """They cannot be bought either."""
    rows = ROWS.replace("Hoodie,1,visible,Warm", "Hoodie,0,visible,Warm")
    outcome = read(written(tmp_path, "wc.csv", HEAD + rows), format="woocommerce")
    assert {item.item_id for item in only(outcome, Item)} == {"47", "50"}
    assert outcome.left_out["not published"] == 4


def test_local_prices_need_their_decimal_sign(tmp_path: Path) -> None:
    """WooCommerce writes prices as the shop shows them."""
    text = 'ID,Type,Name,Published,Regular price\n1,simple,Tea,1,"12,90"\n2,simple,Cup,1,3\n'
    path = written(tmp_path, "wc.csv", text)
    assert [(row, field) for row, field, _ in told(read(path, format="woocommerce"))] == [(2, "price")]
    assert [item.price for item in only(read(path, format="woocommerce", decimal=","), Item)] == [12.9, 3]
