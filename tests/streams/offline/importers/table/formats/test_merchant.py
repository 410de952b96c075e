"""Google Merchant feeds: RSS, Atom and TSV give the same items."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import Item
from tests.streams.offline.importers.table.reading import IMPORTED, only, read, told, written

PRODUCTS = (
    {
        "id": "TV_123456", "title": "Google Chromecast with Google TV", "description": "Chromecast <b>streams</b>.",
        "link": "https://shop.example/tv", "image_link": "https://shop.example/tv.png", "condition": "new",
        "availability": "in_stock", "price": "59.99 USD", "sale_price": "49.99 USD",
        "sale_price_effective_date": "2026-03-01T11:07+0100/2026-03-31T23:07+0100", "brand": "Google",
        "google_product_category": "Electronics > Video", "product_type": "Home > TV > Streaming",
        "gtin": "811571018420",
    },
    {
        "id": "S-1", "title": "Shirt, red", "availability": "out of stock", "price": "15.00 USD",
        "item_group_id": "S", "google_product_category": "2271", "color": "red", "size": "M", "age_group": "adult",
    },
    {"id": "S-2", "title": "Shirt, blue", "availability": "preorder", "price": "1,015.00 USD", "item_group_id": "S",
     "google_product_category": "Apparel > Shirts"},
)  # fmt: skip


def rss() -> str:
    """The products as Google's example of RSS 2.0, with shipping, which has a price of its own."""
    rows = "".join(
        "<item>" + "".join(f"<g:{name}>{escaped(value)}</g:{name}>" for name, value in product.items())
        + "<g:shipping><g:country>US</g:country><g:price>4.95 USD</g:price></g:shipping></item>"
        for product in PRODUCTS
    )  # fmt: skip
    head = '<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel>'
    return f"{head}<title>Shop</title><link>https://shop.example</link>{rows}</channel></rss>"


def atom() -> str:
    """The same as Atom, where title and link are Atom's own."""
    text = rss().replace("<item>", "<entry>").replace("</item>", "</entry>").replace("g:title", "title")
    return text.replace('<rss xmlns:g="', '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="').replace(
        ' version="2.0"><channel>', ">"
    ).replace("</channel></rss>", "</feed>")  # fmt: skip


def tsv() -> str:
    """The same as a spreadsheet: names with spaces, tabs between."""
    names = list(dict.fromkeys(name for product in PRODUCTS for name in product))
    head = "\t".join(name.replace("_", " ") for name in names)
    return "\n".join([head, *("\t".join(product.get(name, "") for name in names) for product in PRODUCTS)])


def escaped(text: str) -> str:
    """A text within XML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@pytest.mark.parametrize(
    ("name", "text"), [("feed.xml", rss()), ("feed.xml", atom()), ("feed.tsv", tsv())], ids=["rss", "atom", "tsv"]
)
def test_a_feed_becomes_items_with_promotions_groups_and_stock(tmp_path: Path, name: str, text: str) -> None:
    """A sale price is what it costs, from and until its dates; a category that is a mere number is none."""
    television, red, blue = only(read(written(tmp_path, name, text), format="google-merchant"), Item)
    assert (television.item_id, television.title) == ("TV_123456", "Google Chromecast with Google TV")
    assert television.description == "Chromecast <b>streams</b>."
    assert television.brand == "Google"
    assert television.category == ["Home", "TV", "Streaming"]
    assert (television.price, television.list_price) == (49.99, 59.99)
    assert (television.valid_from, television.valid_to) == (1_772_359_620_000, 1_774_994_820_000)
    assert television.attributes == {"gtin": "811571018420", "condition": "new"}
    assert television.link == "https://shop.example/tv"
    assert television.image_link == "https://shop.example/tv.png"
    assert television.time == IMPORTED
    assert (red.price, red.list_price, red.in_stock, red.group_id) == (15, None, False, "S")
    assert red.category == []
    assert red.attributes == {"color": "red", "size": "M", "age_group": "adult"}
    assert (blue.price, blue.in_stock, blue.category) == (1015, True, ["Apparel", "Shirts"])


def test_several_product_types_count_as_the_first(tmp_path: Path) -> None:
    """Repeated elements in XML."""
    text = "<r><item><id>1</id><product_type>A &gt; B</product_type><product_type>C</product_type></item></r>"
    (item,) = only(read(written(tmp_path, "feed.xml", text), format="google-merchant"), Item)
    assert item.category == ["A", "B"]


def test_wrong_values_of_a_feed_are_refused_by_their_column(tmp_path: Path) -> None:
    """Words for stock that Google does not have, half a span of time, no id."""
    text = (
        "id\ttitle\tavailability\tprice\tsale price\tsale price effective date\n"
        "1\tA\tmaybe\t1\t\t\n2\tB\tin stock\t2\t1\tsoon/later\n\tC\tin stock\t2\t\t\n4\tD\tin stock\t2\t\t\n"
    )
    outcome = read(written(tmp_path, "feed.tsv", text), format="google-merchant")
    assert [(row, field) for row, field, _ in told(outcome)] == [(2, "in_stock"), (3, "valid_from"), (4, "item_id")]
    assert [refusal.column for refusal in outcome.refusals[:2]] == ["availability", "sale price effective date"]
    assert len(outcome.events) == 1


def test_a_file_of_another_kind_is_told_by_its_columns(tmp_path: Path) -> None:
    """The header shows at once that it is no feed."""
    with pytest.raises(LogError, match=r"'shop\.csv' is no file of google-merchant: no column 'id'"):
        read(written(tmp_path, "shop.csv", "sku,name\n1,a\n"), format="google-merchant")


def test_the_link_of_an_atom_feed_is_its_attribute(tmp_path: Path) -> None:
    """Google's own example of Atom writes it so; a link with a text is that text."""
    entries = (
        '<entry><g:id>p1</g:id><title>Tea</title><link href="https://shop.example/p1"/></entry>'
        '<entry><g:id>p2</g:id><title>Cup</title><link rel="alternate">https://shop.example/p2</link></entry>'
    )
    feed = f'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">{entries}</feed>'
    items = only(read(written(tmp_path, "feed.xml", feed), format="google-merchant"), Item)
    assert [item.link for item in items] == ["https://shop.example/p1", "https://shop.example/p2"]
