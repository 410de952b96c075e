"""The place of a user's last event, as it goes to and fro: ``partition:offset`` in a header, or in a cookie.

>>> written(Place(partition=3, offset=991)), read("3:991")
('3:991', Place(partition=3, offset=991))
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from streamrank_client.fields import Place
from streamrank_client.partitioner import partition_for
from streams.gateway.guard import AFTER
from streams.gateway.refusals import RefusedRequest

__all__ = ["COOKIE", "brought", "read", "told", "written"]

COOKIE: Final = "streamrank_after"
#: seconds for which a browser keeps the place: by then the event has long been counted
_KEPT: Final = 600
_FORM: Final = re.compile(r"(\d{1,6}):(\d{1,18})", re.ASCII)


def written(place: Place) -> str:
    """A place as text."""
    return f"{place.partition}:{place.offset}"


def read(text: str) -> Place | None:
    """The place that a text says, None where it says none."""
    found = _FORM.fullmatch(text.strip())
    return None if found is None else Place(partition=int(found[1]), offset=int(found[2]))


def told(response: web.Response, place: Place) -> None:
    """Say a place in a response, in the header and as a cookie."""
    response.headers[AFTER] = written(place)
    response.set_cookie(COOKIE, written(place), max_age=_KEPT, path="/v1", httponly=True, samesite="Lax")


def brought(request: web.Request, user_id: str | None, partitions: int) -> Place | None:
    """The place that a query brings for its user. Raises RefusedRequest for a header that says none.

    A cookie may be that of an account used before: a place on another partition than the user's is none of theirs.
    """
    header = request.headers.get(AFTER)
    if header is not None:
        place = read(header)
        if place is None:
            raise RefusedRequest(400, "invalid", "expected partition:offset, such as 3:991", AFTER, header[:100])
        return place
    place = read(request.cookies.get(COOKIE, ""))
    if place is None or user_id is None or place.partition != partition_for(user_id.encode(), partitions):
        return None
    return place
