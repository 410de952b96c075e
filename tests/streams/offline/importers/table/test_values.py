"""Numbers, times, yes and no, as files write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.limits import TIME_MS
from streams.offline.importers.table.values import UNITS, Notation

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("12.90", ".", 12.9), ("12,90", ",", 12.9), ("1,299", ".", 1299), ("1.299", ",", 1299),
        ("1 299,5", ",", 1299.5),
        ("1'299.50 CHF", ".", 1299.5), ("€ 5", ".", 5), ("15.00 USD", ".", 15), ("-3", ".", -3), (".5", ".", 0.5),
        ("1\u202f299,00\xa0€", ",", 1299), ("12,90 kr.", ",", 12.9),
        ("US$12", ".", 12), ("R$ 12,50", ",", 12.5), ("Rs. 500", ".", 500), ("12元", ".", 12), ("9,99 zł", ",", 9.99),
    ],
)  # fmt: skip
def test_numbers_with_their_decimal_sign_and_currency(text: str, decimal: str, number: float) -> None:
    """Thousands may be set apart, and a currency may stand on either side."""
    assert Notation(decimal=decimal).number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "12.90.1", "1,29,000", "abc", "nan", "inf", "1_000", "--3", "3 4", "12,", "5 pieces of it", "0x1f",
        "about 20", "from 5", "20 kg", "20 each",
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_with_its_value(text: str) -> None:
    """Python's own notation, half numbers and numbers with another word are none of a price list."""
    with pytest.raises(ValueError, match="is no number"):
        Notation().number(text)


@given(st.decimals(0, 10**9, places=2), st.sampled_from([".", ","]))
def test_a_price_written_either_way_is_read_as_it_was(price: Decimal, decimal: str) -> None:
    """With groups of thousands and without."""
    other = "," if decimal == "." else "."
    for text in (f"{price:.2f}", f"{price:,.2f}"):
        local = text.translate(str.maketrans(".,", decimal + other))
        assert Notation(decimal=decimal).number(local) == float(price)


def test_the_other_decimal_sign_is_told() -> None:
    """A price of 12 euros 90 must not become 1290."""
    with pytest.raises(ValueError, match=r"'12,90' is no number with the decimal sign '\.': --decimal , reads it"):
        Notation().number("12,90")


@pytest.mark.parametrize(
    ("value", "time_format", "moment"),
    [
        ("2026-03-01", "iso", "2026-03-01T00:00:00+01:00"),
        ("2026-07-01 12:30", "iso", "2026-07-01T12:30:00+02:00"),
        ("2026-07-01T12:30:00Z", "iso", "2026-07-01T12:30:00+00:00"),
        ("2026-07-01T12:30+0100", "iso", "2026-07-01T12:30:00+01:00"),
        ("20260701", "iso", "2026-07-01T00:00:00+02:00"),
        ("01.07.2026 12:30", "%d.%m.%Y %H:%M", "2026-07-01T12:30:00+02:00"),
        ("01/Jul/2026:12:30:00 +0000", "%d/%b/%Y:%H:%M:%S %z", "2026-07-01T12:30:00+00:00"),
        ("1782909000", "s", "2026-07-01T12:30:00+00:00"),
        ("1782909000.5", "s", "2026-07-01T12:30:00.500+00:00"),
        (1_782_909_000_000, "ms", "2026-07-01T12:30:00+00:00"),
        ("1782909000000000", "us", "2026-07-01T12:30:00+00:00"),
        (datetime(2026, 7, 1, 12, 30), "s", "2026-07-01T12:30:00+02:00"),
        (datetime(2026, 7, 1, 12, 30, tzinfo=UTC), "iso", "2026-07-01T12:30:00+00:00"),
        (date(2026, 7, 1), "iso", "2026-07-01T00:00:00+02:00"),
    ],
)
def test_times_in_their_formats_and_zone(value: object, time_format: str, moment: str) -> None:
    """A time that names its zone keeps it; the others are of the zone that is given."""
    found = Notation(time_format=time_format, zone=BERLIN).moment(value)
    assert datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=found) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("value", "time_format", "said"),
    [
        ("1782909000", "iso", "--time-format s, ms or us"),
        (1_782_909_000, "iso", "--time-format s, ms or us"),
        ("soon", "iso", "'soon' is no ISO 8601 time"),
        ("31.02.2026", "%d.%m.%Y", "'31.02.2026' is no time as '%d.%m.%Y' writes it"),
        ("2026-07-01", "s", "as --time-format s says"),
        ("nan", "ms", "as --time-format ms says"),
    ],
)
def test_a_time_in_another_format_says_the_remedy(value: object, time_format: str, said: str) -> None:
    """Nothing is guessed: 1782909000 may be seconds, or milliseconds of January 1970."""
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        Notation(time_format=time_format).moment(value)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), st.integers(-12, 12))
def test_iso_times_come_back_to_the_millisecond(moment: datetime, hours: int) -> None:
    """With the offset that they name."""
    aware = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(hours=hours)))
    found = Notation(zone=BERLIN).moment(aware.isoformat())
    assert datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=found) == aware


@pytest.mark.parametrize("value", ["maybe", "", "instock?"])
def test_what_is_neither_yes_nor_no_names_the_words(value: str) -> None:
    """The words that may stand there are listed."""
    with pytest.raises(ValueError, match="in stock, out of stock, preorder"):
        Notation().truth(value)


ANYTHING = st.text() | st.floats() | st.integers() | st.booleans() | st.decimals() | st.dates() | st.datetimes()


READERS = st.sampled_from(["number", "whole", "truth", "text", "path", "moment"])


@given(ANYTHING, READERS, st.sampled_from(["iso", *UNITS, "%Y"]))
def test_whatever_a_value_is_it_is_read_or_refused(value: object, reader: str, time_format: str) -> None:
    """Nothing but ValueError comes out, which refuses the row alone."""
    notation = Notation(time_format=time_format, zone=BERLIN)
    with suppress(ValueError):
        getattr(notation, reader)(value)


def test_a_number_of_a_million_digits_takes_no_time() -> None:
    """It is far from any moment, and the event refuses it."""
    assert Notation(time_format="s").moment("9e99999") > TIME_MS


def test_a_fraction_is_no_quantity() -> None:
    """One and a half pieces are not rounded."""
    with pytest.raises(ValueError, match=r"'1\.5' is no whole number"):
        Notation().whole("1.5")
