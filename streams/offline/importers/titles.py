"""Readable titles from the capitals and abbreviations of shop systems."""

from __future__ import annotations

import re
from typing import Final

# The abbreviations of the Complete Journey's products that stand for one word or phrase.
WORDS: Final = {
    "acces": "accessories",
    "artifical": "artificial",
    "beeralemalt": "beer ale malt",
    "bev": "beverages",
    "bg": "bags",
    "bkd": "baked",
    "bn": "beans",
    "brd": "breaded",
    "brkfst": "breakfast",
    "btl": "bottle",
    "btr": "butter",
    "carb": "carbonated",
    "chick": "chicken",
    "chix": "chicken",
    "choc": "chocolate",
    "chococlate": "chocolate",
    "cleang": "cleaning",
    "cntrl": "central",
    "conc": "concentrate",
    "crbntd": "carbonated",
    "crmd": "creamed",
    "crystl": "crystal",
    "dnr": "dinner",
    "dnrs": "dinners",
    "domes": "domestic",
    "drnk": "drink",
    "drnking": "drinking",
    "drnks": "drinks",
    "drsng": "dressing",
    "dsh": "dishes",
    "elect": "electrical",
    "excp": "",
    "fd": "foods",
    "fem": "feminine",
    "flvr": "flavour",
    "flvrd": "flavoured",
    "frsh": "fresh",
    "frt": "fruit",
    "frz": "frozen",
    "frzn": "frozen",
    "gds": "goods",
    "gm": "general merchandise",
    "hygn": "hygiene",
    "incl": "",
    "jce": "juice",
    "jui": "juice",
    "liq": "liquid",
    "mach": "machine",
    "mixs": "mixes",
    "mlt": "multi",
    "mneral": "mineral",
    "mw": "microwave",
    "mx": "mix",
    "mxs": "mixes",
    "oj": "orange juice",
    "pckgd": "packaged",
    "pk": "pack",
    "pkg": "package",
    "pkgd": "packaged",
    "pkld": "pickled",
    "pnch": "punch",
    "pnt": "peanut",
    "porton": "portion",
    "prem": "premium",
    "prep": "prepared",
    "prod": "products",
    "pwdr": "powder",
    "refrgratd": "refrigerated",
    "refrig": "refrigerated",
    "reg": "regular",
    "rts": "ready to serve",
    "sald": "salad",
    "saucessalsapicantee": "sauces salsa picante",
    "sft": "soft",
    "sgl": "single",
    "sherbts": "sherbets",
    "sndwch": "sandwich",
    "sngl": "single",
    "specilaty": "specialty",
    "sply": "supplies",
    "sprd": "spread",
    "srv": "serve",
    "ss": "single serve",
    "stk": "stick",
    "suppplies": "supplies",
    "sv": "serve",
    "sweetners": "sweeteners",
    "tiss": "tissue",
    "tort": "tortilla",
    "trsh": "trash",
    "veg": "vegetables",
    "whl": "whole",
    "whlsm": "wholesome",
    "whs": "warehouse",
    "wt": "weight",
    "wtr": "water",
}
# Where the source cuts a text off, so that its last word may be a piece.
CUT: Final = 30


def readable(text: str) -> str:
    """Return words in readable case: abbreviations spelled out, separators and cut-off ends gone.

    >>> readable("ICE - CRUSHED/CUBED"), readable("FRZN MEAT/MEAT DINNERS")
    ('Ice Crushed/Cubed', 'Frozen Meat/Meat Dinners')
    >>> readable("CANDY BARS (SINGLES)(INCLUDING"), readable("FRZN SS PREMIUM ENTREES/DNRS/N")
    ('Candy Bars Singles', 'Frozen Single Serve Premium Entrees/Dinners')
    >>> readable("SFT DRNK 2 LITER BTL CARB INCL"), readable("SOFT DRINKS 12/18&15PK CAN CAR")
    ('Soft Drink 2 Liter Bottle Carbonated', 'Soft Drinks 12/18 & 15 Pack Can')
    >>> readable("POTATOES RUSSET (BULK&BAG)"), readable("WOMEN'S 12PK")
    ('Potatoes Russet Bulk & Bag', "Women's 12 Pack")
    """
    if text.count("(") > text.count(")"):
        text = text[: text.rindex("(")]
    elif len(text) >= CUT:
        text = re.sub(r"[\s/&]+\w{1,3}$", "", text)
    text = re.sub(r"(?<=\d)(?=(?:PK|CT)\b)", " ", text)
    text = re.sub(r"[():;*,\-\s]+", " ", text).replace("&", " & ")
    words = [re.sub(r"[^\W\d_]+(?:'[^\W\d_]+)?", _spell, word) for word in text.split()]
    return re.sub(r"\s+", " ", " ".join(words)).strip(" &/")


def _spell(match: re.Match[str]) -> str:
    word = match[0].lower()
    spelled = WORDS.get(word, word)
    return " ".join(part[:1].upper() + part[1:] for part in spelled.split())


def compose(kind: str, category: str, brand: str, size: str) -> str:
    """Return an item's title; the category is left out where the kind already says it.

    >>> compose("ICE - CRUSHED/CUBED", "FRZN ICE", "National", "22 LB")
    'Ice Crushed/Cubed, Frozen Ice, National, 22 lb'
    >>> compose("YOGURT NOT MULTI-PACKS", "YOGURT", "Private", "6 OZ")
    'Yogurt Not Multi Packs, Private, 6 oz'
    """
    parts = [readable(kind), readable(category)]
    if set(parts[1].lower().split()) <= set(parts[0].lower().split()):
        parts.pop()
    return ", ".join(part for part in (*parts, brand, size.lower()) if part)
