"""A search finds what its text names, before any behaviour: by words as shops and shoppers write them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from models.ask import Ask, AskedQuery, AskedText
from models.items import texts
from models.items.catalogue import Catalogue
from models.ranking.authority import tiers
from models.retrieval.sources.base import candidates_of
from models.retrieval.sources.lexical import Lexical
from models.retrieval.text_evidence import evidence
from models.sample import sample_entry
from models.text.markup import plain
from models.text.words import Words

Fields = Mapping[str, object]


def shelf(words: Words, *items: str | Fields) -> Catalogue:
    """A catalogue of items, each a title or its fields, with ids p0, p1, …"""
    catalogue = Catalogue(capacity=64)
    for n, item in enumerate(items):
        given = {"title": item} if isinstance(item, str) else dict(item)
        description = str(given.pop("description", ""))
        title = plain(str(given.pop("title")))
        entry = sample_entry(title or "untitled", item_id=f"p{n}", **given)
        entry.key, entry.title = n + 1, title
        found = texts.fields(words, title, entry.brand, entry.category, entry.attributes, description)
        entry.tokens, entry.words = found[0], found[1:]
        catalogue.upsert([entry])
    return catalogue


def found(words: Words, catalogue: Catalogue, text: str) -> list[str]:
    """Ids of what the words of a text find, by tier and then by BM25F."""
    asked = AskedText(text, tokens=tuple(words.tokens(text)), words=tuple(words.read(text)))
    ask = Ask(AskedQuery(0, "search"), asked)
    candidates = candidates_of(Lexical(), ask, catalogue, 20)
    order = np.lexsort(
        (candidates.rows, -candidates.weight, -tiers(ask, candidates.rows, evidence(ask, catalogue, candidates.rows)))
    )
    return [catalogue.ids[row] for row in candidates.rows[order]]


MODELS = (
    "Sony WH-1000XM5 Headphones", "Hard Case for WH-1000XM5", "Apple iPhone 15 128 GB", "Apple iPhone 14 128 GB",
    "Nvidia RTX 4070 Ti Super", "Nvidia RTX4060", "Canon PG-540 / CL-541 Ink", "SKF Bearing 6204-2RS",
    "SKF Bearing 6205-2RS", "Spring Water 6 x 1.5 L", "Whole Milk 1.5L", "Michelin Tyre 205/55 R16 91V",
    "Michelin Tyre 195/65 R15 91H", "Castrol Edge 5W-30", "Castrol Edge 10W-40", "Drill Bit 5/8 in",
    "Drill Bit 3/8 in", "Bosch GSR 12V-15 Drill", "Sandisk Card 64GB", "Sandisk Card 128GB", "Logitech MX Master 3S",
    "Logitech MX Master 2S", "Olive Oil 0,7 L", "Flour 500 g", "Flour 1 kg",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("wh1000xm5", 0), ("WH 1000 XM5", 0), ("wh-1000-xm5", 0), ("wh1000", 0), ("wh-10", 0), ("sony xm5", 0),
        ("iphone15", 2), ("iphone 15", 2), ("i phone 14", 3), ("IPHONE-14", 3),
        ("rtx 4060", 5), ("rtx-4060", 5), ("rtx4070", 4), ("4070ti", 4), ("geforce 4060", 5),
        ("cl541", 6), ("CL 541", 6), ("pg 540", 6), ("pg540/cl541", 6),
        ("6204", 7), ("62042rs", 7), ("6204 2RS", 7), ("6205", 8), ("1.5 l milk", 10),
        ("milk 1.5l", 10), ("milk 1,5 l", 10),
        ("205/55r16", 11), ("205 55 16", 11), ("195/65 r 15", 12), ("5w30", 13), ("5w 30", 13), ("10w-40", 14),
        ("5/8 in", 15), ("5/8in", 15), ('3/8" drill bit', 16), ("3/8 inch", 16), ("gsr12v15", 17), ("gsr 12v", 17),
        ("64 gb card", 18), ("card 128gb", 19), ("mx master 3s", 20), ("mxmaster2s", 21), ("mx master3s", 20),
        ("0.7 l", 22), ("500g flour", 23), ("1kg flour", 24),
    ],
)  # fmt: skip
def test_a_model_is_found_joined_spaced_or_begun_and_never_its_neighbour(words: Words, text: str, first: int) -> None:
    """The item that has the number stands first, in whatever way it is typed."""
    assert found(words, shelf(words, *MODELS), text)[0] == f"p{first}"


@pytest.mark.parametrize(
    ("titles", "text"),
    [
        (["Fjällräven Kånken Rucksack", "Rucksack"], "fjallraven kanken"),
        (["Jalapeño Peppers", "Peppers"], "jalapeno peppers"),
        (["Żubrówka 0,7 L", "Wódka"], "zubrowka"),
        (["Smørrebrød Board", "Board"], "smorrebrod"),
        (["Crème Brûlée Torch", "Torch"], "creme brulee"),
        (["L'Oréal Paris Day Cream", "Nivea Day Cream"], "loreal cream"),
        (["L'Oréal Paris Day Cream", "Nivea Day Cream"], "oreal cream"),
        (["İstanbul Tea Glass", "Tea Glass"], "istanbul"),
        (["Müller Milchreis", "Reis"], "mueller milchreis"),
        (["Pokemon Cards", "Cards"], "pokémon"),
        (["Ёлка новогодняя", "Шар"], "елка"),
        (["Ｓｏｎｙ Ｗａｌｋｍａｎ", "Radio"], "sony walkman"),
    ],
)
def test_accents_and_width_are_folded(words: Words, titles: list[str], text: str) -> None:
    """What is typed without accents finds what is written with them, and the other way round."""
    assert found(words, shelf(words, *reversed(titles)), text)[0] == "p1"


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Grey Zip Hoodie", "hoodies"), ("Knitted Beanie", "beanies"), ("Baby Onesie", "onesies"), ("Toy Bus", "buses"),
        ("Cookies Assorted", "cookie"), ("Chocolate Brownie Mix", "brownies"), ("Carving Knife", "knives"),
        ("Bookshelf Oak", "bookshelves"), ("Glass Vase", "vases"), ("Camera Lens", "lenses"),
        ("Batteries AA", "battery"),
        ("Cherry Tomatoes", "tomato"), ("Women Coat", "woman"), ("Kids Scarf", "scarves"), ("Movie Poster", "movies"),
        ("Rote Hose", "hosen"), ("Kinderbuch", "kinderbücher"), ("Lámpara de mesa", "lamparas"), ("Cahier", "cahiers"),
        ("Zapato rojo", "zapatos"), ("Stoel", "stoelen"), ("Libro", "libri"), ("Gläser", "glas"),
    ],
)  # fmt: skip
def test_a_word_is_found_in_its_other_forms(words: Words, title: str, text: str) -> None:
    """Singular and plural find each other, in English and in other languages."""
    assert found(words, shelf(words, "Fishing Rod", title, "Wolf Plush"), text)[:1] == ["p1"]


def test_the_form_that_was_typed_comes_first(words: Words) -> None:
    """A surface is worth more than its stem, and words of other meaning are no forms."""
    catalogue = shelf(words, "Running short", "Running shorts", "Tomato paste")
    assert found(words, catalogue, "shorts") == ["p1", "p0"]
    assert found(words, catalogue, "pasta") == ["p2"]
    assert found(words, shelf(words, "Pasta", "Tomato paste"), "pasta") == ["p0"]


NAMES = (
    "The Who - Greatest Hits CD", "The Doors - Greatest Hits CD", "Queen - Greatest Hits CD", "It: A Novel",
    "Carrie: A Novel", "Vitamin A 100 Tablets", "Vitamin C 100 Tablets", "all Free & Clear Detergent 3L",
    "Persil Detergent 3L", "On Cloudmonster Trainers", "Nike Pegasus Trainers", "Them - Blu-ray", "Up - Blu-ray",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("the who", 0), ("who", 0), ("the doors", 1), ("it", 3), ("it novel", 3), ("vitamin a", 5), ("a vitamin", 5),
        ("vitamin c", 6), ("all detergent", 7), ("on", 9), ("on trainers", 9), ("them", 11),
    ],
)  # fmt: skip
def test_stop_words_that_are_names_decide(words: Words, text: str, first: int) -> None:
    """Where hardly anything else is said, the words that say nothing are the name."""
    assert found(words, shelf(words, *NAMES), text)[0] == f"p{first}"


@pytest.mark.parametrize(
    ("title", "text", "other"),
    [
        ("Kevlar™ Gloves", "kevlar gloves", "Leather Gloves"),
        ("Dyson® V15 Cordless", "dyson v15", "Shark V10 Cordless"),
        ("Fender Guitar Amplifier", "guitar amp", "Salt &amp; Pepper Mill"),
        ("Ben &amp; Jerry&#39;s Ice Cream", "ben and jerrys", "Ice Cream"),
        ("<b>Red</b> <i>Wool</i> Scarf<br/>", "red wool scarf", "Red Cotton Scarf"),
        ("H<sub>2</sub>O Filter", "h2o filter", "Coffee Filter"),
        ("Caf&eacute; Table", "cafe table", "Coffee Table"),
    ],
)
def test_markup_and_signs_are_no_words(words: Words, title: str, text: str, other: str) -> None:
    """Entities are decoded, tags dropped, and signs of trade marks are no letters of the name."""
    catalogue = shelf(words, other, title)
    assert found(words, catalogue, text)[0] == "p1"
    assert not {"amp", "br", "sub", "eacute", "39"} & {*catalogue.lexical.terms()}


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Wireless Headphones", "head phones"), ("Play Station 5", "playstation 5"), ("Laptop Back Pack", "backpack"),
        ("Laufschuhe Herren", "schuhe"), ("Schuhe zum Laufen", "laufschuhe"), ("Schreibtisch Eiche", "tisch"),
        ("Wasserkocher Edelstahl", "wasser kocher"), ("Keukentafel", "tafel"), ("Wi-Fi Router", "wifi"),
        ("Cotton T-Shirt", "tshirt"), ("Cotton Tshirt", "t shirt"), ("Cotton T Shirt", "t-shirt"),
        ("삼성 무선이어폰", "무선 이어폰"), ("무선 이어폰", "무선이어폰"), ("노트북 거치대", "노트북"),
        ("노트북을 위한 가방", "노트북"),
        ("ワイヤレスイヤホン", "イヤホン"), ("東京タワー 模型", "東京タワー"), ("เสื้อยืดคอกลม", "เสื้อยืด"),
        ("小米手机", "shouji"), ("小米手机", "shou ji"), ("流行音乐", "yinyue"), ("平底锅", "锅"),
        ("Wireless Headphones", "headph"), ("Wireless Headphones", "wirel"), ("Espresso Machine", "espre mach"),
    ],
)  # fmt: skip
def test_words_run_together_apart_or_only_begun(words: Words, title: str, text: str) -> None:
    """Compounds, runs without spaces, pinyin and beginnings find their items."""
    lauf, rest = "Lauf Lampe", ("Kaffeetasse", "茶杯", "Küchen Uhr", "Keuken klok", "Schreiben lernen")
    assert found(words, shelf(words, *rest, lauf, title), text)[:1] == [f"p{len(rest) + 1}"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"title": "Front brake pads", "attributes": {"sku": "FDB-5220"}}, "fdb5220"),
        ({"title": "Front brake pads", "attributes": {"EAN": "4006381333931"}}, "4006381333931"),
        ({"title": "Front brake pads", "attributes": {"gtin": 4006381333931.0}}, "04006381333931"),
        ({"title": "Novel", "attributes": {"isbn": "978-3-16-148410-0"}}, "9783161484100"),
        ({"title": "Kettle", "attributes": {"model": "TWK 8613P"}}, "twk8613p"),
        ({"title": "Kettle", "attributes": {"colour": "White", "material": "glass"}}, "white glass kettle"),
        ({"title": "Shoes", "attributes": {"size": [41.0, 42.0]}}, "shoes 42"),
        ({"title": "Lamp", "brand": "Zorblax"}, "zorblax lamp"),
        ({"title": "Lamp", "category": ["Lighting", "Bedside"]}, "bedside lamp"),
        ({"title": "Router", "description": "Easy to set up. " * 40 + "Model AX55-77."}, "ax55-77"),
    ],
)
def test_what_an_item_says_is_searched(words: Words, fields: Fields, text: str) -> None:
    """Identifiers, attributes, brand, category and the whole description find the item."""
    others = ({"title": str(fields["title"])}, {"title": "Kettle red steel"}, {"title": "FDB-5221 brake pads"})
    assert found(words, shelf(words, *others, fields), text)[0] == "p3"


def test_names_of_attributes_are_no_words(words: Words) -> None:
    """An attribute's value is searched, its name is not, and neither is a mere yes or no."""
    catalogue = shelf(words, {"title": "Tea", "attributes": {"material": "tin", "vegan": True}})
    assert [found(words, catalogue, text) for text in ("material", "vegan", "tin")] == [[], [], ["p0"]]
