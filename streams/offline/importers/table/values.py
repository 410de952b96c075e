"""Values as files write them, turned into those of events. Each raises ValueError with the value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final

__all__ = ["UNITS", "Notation", "listed"]

#: how many of a unit are a millisecond, as a fraction: numerator, denominator
UNITS: Final[dict[str, tuple[int, int]]] = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000)}
#: milliseconds that are far beyond what an event may have, so that a number of a million digits is not worked out
MOST: Final = 10**18
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YES: Final = frozenset(
    ("true", "yes", "y", "in stock", "available", "preorder", "backorder", "ja", "auf lager", "lieferbar",
     "vorbestellbar", "\u662f", "\u6709\u8d27", "\u73b0\u8d27", "\u9884\u552e")
)  # fmt: skip
_NO: Final = frozenset(
    ("false", "no", "n", "out of stock", "sold out", "unavailable", "discontinued", "nein", "nicht auf lager",
     "nicht lieferbar", "ausverkauft", "\u5426", "\u65e0\u8d27", "\u7f3a\u8d27", "\u552e\u7f44")
)  # fmt: skip
#: a currency: its sign, with a country's letters or without, its code of ISO 4217, or what shops write for it
_CURRENCY: Final = (
    r"(?:[A-Za-z]{0,3}[\$\u00a2-\u00a5\u20a0-\u20bf\ufdfc\uff04\uffe0\uffe1\uffe5\uffe6]|[A-Z]{3}"
    r"|(?i:kr|k\u010d|z\u0142|lei|ft|rs|rp|rm|fr|sfr|\u043b\u0432|\u0440|\u0440\u0443\u0431|\u0433\u0440\u043d"
    r"|\u5143|\u5186|\u5706|\u5713|\uc6d0|\u0e1a\u0e32\u0e17)\.?)"
)
#: a number, with a currency on either side or none
_AMOUNT: Final = re.compile(rf"(?:{_CURRENCY}\s*)?([+-]?[\d.,'\s\u2019]*\d)(?:\s*{_CURRENCY})?")
#: by the decimal sign: whole thousands in groups of three, or no groups; then the decimals
_NUMBER: Final = {
    ".": re.compile(r"[+-]?(?:\d{1,3}(?:[,'\s\u2019]\d{3})+|\d+)?(?:\.\d+)?"),
    ",": re.compile(r"[+-]?(?:\d{1,3}(?:[.'\s\u2019]\d{3})+|\d+)?(?:,\d+)?"),
}


@dataclass(frozen=True, slots=True)
class Notation:
    """How a file writes what is no plain text.

    ``time_format`` is iso, one of ``UNITS``, or a pattern of strptime; ``zone`` holds for times that name none.
    ``separator`` stands between the levels of a category.
    """

    decimal: str = "."
    time_format: str = "iso"
    zone: tzinfo = UTC
    separator: str = ">"

    def number(self, value: object) -> float:
        """A number; a currency may stand before or behind it, and no other word.

        >>> Notation().number("USD 1,299.50"), Notation(decimal=",").number("1.299,5 €"), Notation().number(Decimal(3))
        (1299.5, 1299.5, 3.0)
        >>> Notation().number("12,9")
        Traceback (most recent call last):
        ValueError: '12,9' is no number with the decimal sign '.': --decimal , reads it
        """
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise ValueError(f"{value!r:.60} is no number: map another column, or write a number")
        if not isinstance(value, str):
            return float(value)
        if value.isdecimal():
            return float(value)
        amount = _AMOUNT.fullmatch(value.strip())
        if amount is not None and _NUMBER[self.decimal].fullmatch(amount[1]):
            plain = re.sub(r"['\s\u2019]|" + re.escape("," if self.decimal == "." else "."), "", amount[1])
            return float(plain.replace(",", "."))
        other = "," if self.decimal == "." else "."
        if amount is not None and _NUMBER[other].fullmatch(amount[1]):
            raise ValueError(
                f"{value!r:.60} is no number with the decimal sign '{self.decimal}': --decimal {other} reads it"
            )
        raise ValueError(f"{value!r:.60} is no number: correct it in the file")

    def whole(self, value: object) -> int:
        """A whole number.

        >>> Notation().whole("2"), Notation().whole(2.0)
        (2, 2)
        """
        number = self.number(value)
        if not number.is_integer():
            raise ValueError(f"{value!r:.60} is no whole number: correct it in the file")
        return int(number)

    def truth(self, value: object) -> bool:
        """Yes or no, a word of a product feed, or a stock: more than 0 is yes.

        >>> [Notation().truth(value) for value in ("in stock", "out_of_stock", "12", -1, "Auf Lager", "\u65e0\u8d27")]
        [True, False, True, False, True, False]
        """
        if isinstance(value, bool):
            return value
        text = str(value).strip().casefold().replace("_", " ")
        if text in _YES or text in _NO:
            return text in _YES
        try:
            return self.number(value) > 0
        except ValueError:
            words = "true, false, yes, no, in stock, out of stock, preorder, backorder or a number"
            raise ValueError(f"{value!r:.60} is neither yes nor no: write {words}") from None

    def path(self, value: object) -> list[object]:
        """A category's levels, root first; a list is taken as it is.

        >>> Notation().path("Food > Tea >"), Notation(separator="/").path("Food/Tea & more")
        (['Food', 'Tea'], ['Food', 'Tea & more'])
        """
        if isinstance(value, list):
            return [self.text(level) for level in value]
        return [level.strip() for level in str(self.text(value)).split(self.separator) if level.strip()]

    def text(self, value: object) -> object:
        """A text; whole numbers without their point, as ids become in columns with gaps. Lists and objects stay.

        >>> Notation().text(" tea "), Notation().text(12.0), Notation().text(7), Notation().text(["a"])
        ('tea', '12', '7', ['a'])
        """
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, datetime | date):
            return value.isoformat()
        if isinstance(value, bytes):
            raise ValueError("bytes are no text: write it as text")
        return str(value) if isinstance(value, int | float | Decimal) else value

    def moment(self, value: object) -> int:
        """A moment in Unix milliseconds.

        >>> Notation().moment("2026-03-01T12:00+01:00"), Notation(time_format="s").moment("1772362800")
        (1772362800000, 1772362800000)
        >>> Notation(time_format="%d.%m.%Y").moment("01.03.2026"), Notation().moment(date(2026, 3, 1))
        (1772323200000, 1772323200000)
        """
        if isinstance(value, datetime):
            return self._since_epoch(value)
        if isinstance(value, date):
            return self._since_epoch(datetime(value.year, value.month, value.day))
        if self.time_format in UNITS:
            return self._counted(value)
        text = str(value).strip()
        if self.time_format != "iso":
            try:
                return self._since_epoch(datetime.strptime(text, self.time_format))
            except ValueError:
                raise ValueError(
                    f"{text!r:.60} is no time as '{self.time_format}' writes it: correct it, or --time-format"
                ) from None
        if re.fullmatch(r"[+-]?[\d.]+", text) and len(text) != len("20260301"):
            raise ValueError(f"{text!r:.60} is no ISO 8601 time: --time-format s, ms or us says what a number counts")
        try:
            return self._since_epoch(datetime.fromisoformat(text))
        except ValueError:
            raise ValueError(
                f"{text!r:.60} is no ISO 8601 time: correct it, or say --time-format, such as '%d.%m.%Y %H:%M'"
            ) from None

    def _counted(self, value: object) -> int:
        many, of = UNITS[self.time_format]
        try:
            counted = Decimal(str(value).strip()) * many / of
            return int(counted) if abs(counted) < MOST else MOST
        except (ArithmeticError, ValueError):
            raise ValueError(
                f"{value!r:.60} is no number, as --time-format {self.time_format} says: leave it out for ISO 8601"
            ) from None

    def _since_epoch(self, moment: datetime) -> int:
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=self.zone)
        return (aware - _EPOCH) // timedelta(milliseconds=1)


def listed(value: object, notation: Notation) -> object:
    """A list of texts: as it is, or cut at commas.

    >>> listed("p1, p2", Notation()), listed([1, "b"], Notation())
    (['p1', 'p2'], ['1', 'b'])
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [notation.text(part) for part in value]
    return [part.strip() for part in str(notation.text(value)).split(",") if part.strip()]
