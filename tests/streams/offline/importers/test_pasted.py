"""Tables that were pasted somewhere."""

from __future__ import annotations

import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import Item
from streams.offline.importers.table.pasted import read_pasted


@pytest.mark.parametrize(
    ("raw", "maps", "decimal"),
    [
        ("item_id,title,price\nt1,Kånken,12.5\n", "", "."),
        ("sku;Name;Preis\nt1;Kånken;12,50 €\n", "item_id=sku,title=Name,price=Preis", ","),
        ('{"item_id":"t1","title":"Kånken","price":12.5}\n', "", "."),
        ('[{"item_id":"t1","title":"Kånken","price":12.5}]', "", "."),
    ],
)
def test_csv_and_json_are_told_apart(raw: str, maps: str, decimal: str) -> None:
    """By how they begin."""
    table = read_pasted(raw.encode(), maps, decimal)
    (item,) = table.events
    assert isinstance(item, Item)
    assert (item.item_id, item.title, item.price, table.refused) == ("t1", "Kånken", 12.5, 0)


def test_a_row_that_is_wrong_is_told_by_its_field() -> None:
    """And the others are taken."""
    table = read_pasted(b"item_id,title,price\nt1,Mug,much\nt2,Pan,3\n", "", ".")
    assert [(one.row, one.field) for one in table.refusals] == [(2, "price")]
    assert len(table.events) == 1


def test_a_column_that_is_not_there_is_named() -> None:
    """With the columns that are."""
    with pytest.raises(LogError, match=r"'Nam'.*it has item_id, Name"):
        read_pasted(b"item_id,Name\nt1,Mug\n", "title=Nam", ".")
