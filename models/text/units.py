"""Units of measure: a number and its unit become one token, spelled one way in both languages."""

from __future__ import annotations

import re

#: Canonical unit -> its other spellings. This and the stop words are all that is seeded by hand.
UNITS: dict[str, tuple[str, ...]] = {
    "ml": ("毫升", "milliliter", "milliliters", "millilitre", "millilitres"),
    "l": ("升", "公升", "liter", "liters", "litre", "litres"),
    "g": ("克", "gram", "grams", "gm", "gr"),
    "kg": ("千克", "公斤", "kilo", "kilos", "kilogram", "kilograms"),
    "mg": ("毫克",),
    "oz": ("盎司", "ounce", "ounces", "onz"),
    "lb": ("磅", "lbs", "pound", "pounds"),
    "gal": ("加仑", "gallon", "gallons"),
    "cm": ("厘米", "公分"),
    "mm": ("毫米",),
    "inch": ("英寸", "寸", "inches"),
    "gb": (),
    "tb": (),
    "mb": (),
    "hz": ("赫兹",),
    "mah": ("毫安",),
    "ct": ("count",),
    "pk": ("pack", "packs"),
    "w": ("瓦", "watt", "watts"),
    "v": ("伏", "volt", "volts"),
}
_CANONICAL = {spelling: unit for unit, others in UNITS.items() for spelling in (unit, *others)}
#: One letter after a space is as likely a size, a model or a preposition: "size 5 l", "type 2 g".
_APART = sorted((s for s in _CANONICAL if len(s) > 1 or not s.isascii()), key=len, reverse=True)
_CLOSE = sorted(_CANONICAL, key=len, reverse=True)
_ENDS = r"(?![a-z0-9])"
_NUMBER = r"(?<![\d.,])(\d+(?:,\d{3})*(?:\.\d+)?)"
_MEASURE = re.compile(rf"{_NUMBER}(?:({'|'.join(_CLOSE)})|[ -]({'|'.join(_APART)})){_ENDS}")


def join_units(text: str) -> str:
    """Join numbers with the units that follow them; ``text`` is normalised already.

    >>> join_units("milk 500 ml, 牛奶1.5升, 128gb, 12-ounces, 3 in 1")
    'milk 500ml , 牛奶 1.5l , 128gb , 12oz , 3 in 1'
    """
    if not any(character.isdigit() for character in text):
        return text
    return " ".join(_MEASURE.sub(_joined, text).split())


def _joined(match: re.Match[str]) -> str:
    number, close, apart = match.groups()
    return f" {number.replace(',', '')}{_CANONICAL[close or apart]} "
