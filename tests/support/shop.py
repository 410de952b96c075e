"""A small shop for tests of what the shopper means: clothes, phones and drinks, some of them on offer."""

from __future__ import annotations

from typing import Any, Final

from streamrank_client.answers import Answer
from streamrank_client.events import Item, Query
from tests.support.composing import Answering
from tests.support.driving import AT

NOW: Final = AT + 60_000


def item(item_id: str, title: str, price: float = 10.0, **more: Any) -> Item:
    """An item of the shop."""
    return Item(**{"time": AT, "item_id": item_id, "title": title, "price": price, **more})


ITEMS: Final = (
    item("dress-red", "Red cocktail dress", 80.0, category=["女装", "dresses"], attributes={"colour": "red"}),
    item("dress-blue", "Blue summer dress", 60.0, category=["女装", "dresses"], attributes={"colour": "blue"}),
    item("dress-black", "Black evening dress", 120.0, category=["女装", "dresses"], attributes={"colour": "black"}),
    item("dress-plain", "Linen dress", 40.0, category=["女装", "dresses"], attributes={"colour": "red", "size": "XL"}),
    item("qun", "红色连衣裙", 70.0, category=["女装", "裙子"]),
    item("qun-lan", "蓝色连衣裙", 90.0, category=["女装", "裙子"]),
    item("coat", "羊毛大衣", 200.0, category=["女装", "外套"]),
    item("boots-red", "Red leather boots", 90.0, category=["shoes"], attributes={"colour": "red"}),
    item("mi", "小米10手机 128GB", 2999.0, category=["手机"], brand="小米"),
    item("hw", "华为P40手机 128GB", 3999.0, category=["手机"], brand="华为"),
    item("mi-lite", "小米青春版手机", 499.0, category=["手机"], brand="小米"),
    item("pixel", "Pixel 8 phone", 599.0, category=["phones"], brand="Google"),
    item("coffee", "Colombian coffee beans", 12.0, list_price=12.0, category=["drinks"]),
    item("coffee-offer", "Dark roast coffee beans", 9.0, list_price=18.0, category=["drinks"]),
    item(
        "coffee-over", "Light roast coffee beans", 5.0, list_price=20.0, valid_to=AT - 1_000, category=["drinks"]
    ),
    item("tea-offer", "Green tea", 6.0, list_price=8.0, category=["drinks"]),
    item("mug", "Mug that says hello world", 7.0, category=["kitchen"]),
)  # fmt: skip


class Shopper:
    """Asks as one user, and keeps what the answers leave behind."""

    def __init__(self, shop: Answering, stored: dict[bytes, bytes] | None = None, user_id: str = "u1") -> None:
        self.shop, self.stored, self.user_id, self.asked = shop, dict(stored or {}), user_id, 0

    def ask(self, text: str = "", at: int = NOW, **given: Any) -> Answer:
        """The answer to one query; each is a second after the one before."""
        self.asked += 1
        values = {
            "time": at + self.asked * 1_000,
            "request_id": f"r{self.asked}",
            "user_id": self.user_id,
            "text": text,
        }
        answered = self.shop.answers(Query(**{**values, **given}), read=self.stored.get)
        self.stored.update(answered.expiring)
        return answered.answers[0]


def ids(answer: Answer) -> list[str]:
    """The answer's items, best first."""
    return [one.item_id for one in answer.items]
