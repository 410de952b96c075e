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
#: "5w-30" is an oil, no 5 watts
_ENDS = r"(?![a-z0-9]|-\d)"
_NUMBER = r"(?<![\d.,/])(\d+(?:,\d{3})*(?:\.\d+)?|\d+,\d{1,2}|\d{1,2}/\d{1,2})"
#: no size: "500 g", "1.5 l"
_LARGE = r"(?<![\d.,/])(\d{2,}(?:,\d{3})*(?:\.\d+)?|\d+[.,]\d{1,2}) "
#: "in" is a unit after a fraction or without a space: "5/8 in", "8in"; and so is the sign for it
_INCHES = re.compile(rf"(\d{{1,2}}/\d{{1,2}}) ?(?:-?in|\"|''){_ENDS}|(?<![\d./])(\d+(?:\.\d+)?)(?:-?in|\"|''){_ENDS}")
_THOUSANDS = re.compile(r",\d{3}")
_ONE = re.compile(rf"(?:\d+(?:\.\d+)?|\d{{1,2}}/\d{{1,2}})(?:{'|'.join(UNITS)})")
_MEASURE = re.compile(rf"{_NUMBER}(?:({'|'.join(_CLOSE)})|[ -]({'|'.join(_APART)})){_ENDS}")
_LETTER = re.compile(rf"{_LARGE}([a-z]){_ENDS}")


def is_measure(piece: str) -> bool:
    """Whether a piece of a text is a number with its unit, as ``join_units`` writes it.

    >>> is_measure("1.5l"), is_measure("500ml"), is_measure("xm5"), is_measure("15")
    (True, True, False, False)
    """
    return piece[:1].isdigit() and _ONE.fullmatch(piece) is not None


def join_units(text: str) -> str:
    """Join numbers with the units that follow them; ``text`` is normalised already.

    >>> join_units("milk 500 ml, 牛奶1.5升, 128gb, 12-ounces, 3 in 1, 5/8 in, 0,7 L".lower())
    'milk 500ml , 牛奶 1.5l , 128gb , 12oz , 3 in 1, 5/8inch , 0.7l'
    """
    if not any(character.isdigit() for character in text):
        return text
    text = _LETTER.sub(lambda match: match[1] + match[2] if match[2] in UNITS else match[0], text)
    text = _INCHES.sub(lambda match: f"{match[1] or match[2]}inch", text)
    return " ".join(_MEASURE.sub(_joined, text).split())


def _joined(match: re.Match[str]) -> str:
    number, close, apart = match.groups()
    number = number.replace(",", "") if _THOUSANDS.search(number) else number.replace(",", ".")
    return f" {number}{_CANONICAL[close or apart]} "
