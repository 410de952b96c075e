"""Bytes that are no JSON: what is wrong is said by field, and what can be read is read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from streamrank_client.errors import LogError
from streamrank_client.events import decode_event, invalid
from streamrank_client.logs import read_lines
from streamrank_client.malformed import legible
from streamrank_client.routing import head, route
from streamrank_client.topics import topics

ITEM = b'{"event":"item","item_id":"p1","time":5,'
BROKEN: list[tuple[bytes, str, str]] = [
    (ITEM + b'"price":NaN}', "price", "NaN"),
    (ITEM + b'"title":"tea: 5","list_price": -Infinity}', "list_price", "-Infinity"),
    (ITEM + b'"attributes":{"weight":Infinity}}', "weight", "Infinity"),
    (ITEM + b'"title":"Lamp \\ud83d"}', "title", "\\ud83d is half a character"),
    (ITEM + b'"title":"Lamp \\ud83d, red","brand":"Oz"}', "title", "\\ud83d is half a character"),
    (ITEM + b'"brand":"\\udc00"}', "brand", "\\udc00 is half a character"),
    (ITEM + b'"title":"caf\xe9"}', "title", "not a JSON object"),
    (b"\xef\xbb\xbf" + ITEM + b'"title":"tea"}', "", "byte order mark"),
]


@pytest.mark.parametrize(("raw", "field", "said"), BROKEN)
def test_a_letter_names_the_field_and_what_is_wrong(raw: bytes, field: str, said: str) -> None:
    """NaN of pandas, texts that JavaScript cut within a character, bytes of another encoding, a byte order mark."""
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as raised:
        decode_event(raw)
    error = raised.value
    assert isinstance(error, msgspec.DecodeError | UnicodeDecodeError)
    told = invalid(error, raw)
    assert (told.code, told.field) == ("malformed", field)
    assert said in told.message


@pytest.mark.parametrize(("raw", "field", "said"), BROKEN)
def test_it_goes_to_the_topic_that_it_was_meant_for(raw: bytes, field: str, said: str) -> None:
    """With the key that can be read."""
    spec, key, _ = route(head(raw), topics())
    assert (spec.name, key) == ("item-events", b"p1")


@pytest.mark.parametrize(
    ("raw", "topic", "key"),
    [
        (b'{"event":"query","request_id":"r1","time":5,"text":"cut o', "query-events", b"r1"),
        (b'{"event":"click","user_id":"u1","event_id":"e1","price":NaN', "behavior-events", b"u1"),
        (b'{"text":"say \\"event\\":\\"item\\" NaN","event":"query","request_id":"r2",', "query-events", b"r2"),
    ],
)
def test_what_ends_too_soon_is_read_as_far_as_it_goes(raw: bytes, topic: str, key: bytes) -> None:
    """A line that was cut, by its first fields; a text that speaks of events is none."""
    spec, found, _ = route(head(raw), topics())
    assert (spec.name, found) == (topic, key)


@pytest.mark.parametrize("raw", [b"", b"[1]", b"7", b"\xff\xff", b'"event":"', b"[" * 100_000])
def test_nothing_is_read_of_what_says_nothing(raw: bytes) -> None:
    """Whatever the bytes are, nothing is raised."""
    assert legible(raw) is None


def test_a_log_may_have_byte_order_marks(tmp_path: Path) -> None:
    """At its beginning, and where files were put together; another encoding is told."""
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"time":1}\r\n\xef\xbb\xbf{"time":2}\n')
    assert [line.raw for line in read_lines(tmp_path / "a.jsonl")] == [b'{"time":1}', b'{"time":2}']
    (tmp_path / "b.jsonl").write_bytes('{"time":1}'.encode("utf-16"))
    with pytest.raises(LogError, match="UTF-16: write it as UTF-8"):
        list(read_lines(tmp_path / "b.jsonl"))
