"""XML feeds: each ``item`` or ``entry`` is a row of its children's texts, without their namespaces.

A document type is refused, and with it every entity that one could declare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Final
from xml.etree.ElementTree import ParseError, XMLParser

from streamrank_client.errors import LogError
from streams.offline.importers.table.rows import Row

CHUNK: Final = 1 << 18
ROWS: Final = ("item", "entry")


class _DocumentType(ValueError):
    """A document type stands in the file."""


class _Rows:
    """A parser's target: what lies directly in a row becomes its values, a list where a name comes again.

    An element with children, such as shipping, is an object of their texts. One without a text whose attribute
    ``href`` says where it leads, as links do in Atom, is that.
    """

    def __init__(self) -> None:
        self.done: list[dict[str, object]] = []
        self._open: list[tuple[str, dict[str, object]]] = []
        self._text: list[str] = []
        self._leads: list[str] = []

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        """Refuse it: feeds need none."""
        raise _DocumentType

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = tag.rpartition("}")[2]
        if self._open or name in ROWS:
            self._open.append((name, {}))
            self._leads.append(attributes.get("href", ""))
        self._text.clear()

    def data(self, text: str) -> None:
        """Text within an element, perhaps a part of it."""
        self._text.append(text)

    def end(self, tag: str) -> None:
        """An element ends."""
        if not self._open:
            return
        name, values = self._open.pop()
        leads = self._leads.pop()
        if not self._open:
            self.done.append(values)
            return
        value: object = values or "".join(self._text).strip() or leads.strip()
        self._text.clear()
        around = self._open[-1][1]
        if name not in around:
            around[name] = value
        elif isinstance(before := around[name], list):
            before.append(value)
        else:
            around[name] = [before, value]

    def close(self) -> None:
        """The end of the file."""


def xml_rows(opened: Callable[[], IO[bytes]], name: str) -> Iterator[Row]:
    """The rows of a feed. Raises LogError for XML that is broken, cut off or declares a document type."""
    target, number = _Rows(), 0
    parser = XMLParser(target=target)
    try:
        with opened() as file:
            while chunk := file.read(CHUNK):
                parser.feed(chunk)
                for values in target.done:
                    number += 1
                    yield Row(name, number, values)
                target.done.clear()
        parser.close()
    except _DocumentType:
        raise LogError(f"'{name}' declares a document type: remove the line with <!DOCTYPE, feeds need none") from None
    except ParseError as error:
        raise LogError(f"'{name}' is broken XML after row {number}: {error}: check that it is whole") from error
