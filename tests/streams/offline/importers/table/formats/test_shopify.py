"""Shopify's product export: variants, pictures, stock, drafts, old and new names of columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamrank_client.events import Item
from tests.streams.offline.importers.table.reading import only, read, written

OLD = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,"
    "Option2 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,"
    "Variant Compare At Price,Image Src,Image Position,Status\n"
)
NEW = (
    "URL handle,Title,Description,Vendor,Product category,Type,Tags,Published on online store,Option1 name,"
    "Option1 value,Option2 name,Option2 value,SKU,Inventory tracker,Inventory quantity,"
    "Continue selling when out of stock,Price,Compare-at price,Product image URL,Image position,Status\n"
)
ROWS = (
    'shirt,Shirt,"<p>Soft, warm</p>",Acme,Apparel > Shirts,Shirts,"new, cotton",TRUE,Colour,Red,Size,M,SH-R-M,'
    "shopify,3,{deny},19.90,25.00,https://cdn/1.png,1,active\n"
    "shirt,,,,,,,,,Blue,,M,SH-B-M,shopify,0,{deny},19.90,,https://cdn/2.png,2,\n"
    "shirt,,,,,,,,,Green,,M,,shopify,-2,{go_on},21.00,0.00,,,\n"
    "shirt,,,,,,,,,,,,,,,,,,https://cdn/3.png,3,\n"
    "mug,Mug,,Acme,,Kitchen,,true,Title,Default Title,,,,,,{deny},8.00,,,,active\n"
    "draft,Draft,,,,,,true,Title,Default Title,,,D1,,,{deny},8.00,,,,draft\n"
    "secret,Secret,,,,,,false,Title,Default Title,,,D2,,,{deny},8.00,,,,active\n"
)


@pytest.mark.parametrize(
    "text",
    [OLD + ROWS.format(deny="deny", go_on="continue"), NEW + ROWS.format(deny="FALSE", go_on="TRUE")],
    ids=["old", "new"],
)
def test_an_export_becomes_an_item_for_each_variant(tmp_path: Path, text: str) -> None:
    """The product's columns hold for all its rows; ids are SKUs, or the handle with its options."""
    outcome = read(written(tmp_path, "products_export.csv", text), format="shopify")
    red, blue, green, mug = only(outcome, Item)
    assert [item.item_id for item in (red, blue, green, mug)] == ["SH-R-M", "SH-B-M", "shirt-Green-M", "mug"]
    for shirt in (red, blue, green):
        assert (shirt.title, shirt.description, shirt.brand) == ("Shirt", "<p>Soft, warm</p>", "Acme")
        assert (shirt.category, shirt.group_id) == (["Apparel", "Shirts"], "shirt")
        assert shirt.attributes["tags"] == ["new", "cotton"]
    assert red.attributes["Colour"] == "Red"
    assert red.attributes["Size"] == "M"
    assert (red.price, red.list_price, red.in_stock) == (19.9, 25, True)
    assert (blue.price, blue.list_price, blue.in_stock) == (19.9, None, False)
    assert (green.price, green.list_price, green.in_stock) == (21, None, True)
    assert (mug.group_id, mug.category, mug.in_stock) == (None, ["Kitchen"], True)
    assert "Title" not in mug.attributes
    assert outcome.left_out == {"a row that only adds a picture": 1, "status draft": 1, "not published": 1}


def test_another_column_may_be_the_item_id(tmp_path: Path) -> None:
    """Where the shop's events name barcodes or handles."""
    text = "Handle,Title,Variant SKU,Variant Price,Variant Barcode\ntea,Tea,T1,2,400\n"
    outcome = read(written(tmp_path, "p.csv", text), None, "item_id=Variant Barcode", format="shopify")
    (item,) = only(outcome, Item)
    assert (item.item_id, item.title, item.price) == ("400", "Tea", 2)


def test_a_sku_that_two_variants_share_is_refused(tmp_path: Path) -> None:
    """One of them would silently replace the other."""
    text = "Handle,Title,Variant SKU,Variant Price\ntea,Tea,T1,2\ncup,Cup,T1,3\n"
    outcome = read(written(tmp_path, "p.csv", text), format="shopify")
    assert len(outcome.events) == 1
    (refusal,) = outcome.refusals
    assert (refusal.row, refusal.field, refusal.column) == (3, "item_id", "Variant SKU")
    assert "'T1' is in row 2 of p.csv already" in refusal.message
