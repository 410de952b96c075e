"""Where Redis is, from one URL: a server, the master that Sentinels name, or a cluster.

>>> address_of("redis+cluster://me:hush@r1:7000,r2").hosts
(('r1', 7000), ('r2', 6379))
>>> address_of("redis+sentinel://s1,s2:26380/shop/1").service
'shop'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import unquote, urlsplit, urlunsplit

#: host and port
Node: TypeAlias = tuple[str, int]
Kind: TypeAlias = Literal["server", "cluster", "sentinel"]

KINDS: Final[dict[str, Kind]] = {
    "redis": "server",
    "rediss": "server",
    "unix": "server",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
}
_PORTS: Final[dict[Kind, int]] = {"server": 6379, "cluster": 6379, "sentinel": 26379}


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is. ``hosts``: nodes of a cluster, or Sentinels; ``service``: the name that those know it by."""

    kind: Kind
    url: str
    tls: bool
    hosts: tuple[Node, ...] = ()
    username: str | None = None
    password: str | None = None
    service: str = ""
    database: int = 0


def address_of(url: str) -> Address:
    """Read a URL. Raises ValueError with what is wrong and what to do, and never with the password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("it is no URL: write the address of IPv6 in brackets, and encode [ and ] elsewhere") from None
    kind = KINDS.get(parts.scheme)
    if kind is None:
        raise ValueError(f"it must begin with one of {', '.join(f'{scheme}://' for scheme in KINDS)}")
    tls = parts.scheme.startswith("rediss")
    if parts.scheme == "unix":
        return Address(kind, url, tls)
    account, _, places = parts.netloc.rpartition("@")
    hosts = tuple(_node(place, _PORTS[kind]) for place in places.split(",")) if places or kind != "server" else ()
    if kind == "server":
        if len(hosts) > 1:
            raise ValueError("it names several servers: begin with redis+cluster:// or redis+sentinel://")
        return Address(kind, url, tls, hosts, database=_database(parts.path.strip("/")))
    if parts.query or parts.fragment:
        raise ValueError("nothing may follow after ? or #: encode ? and # in a password as %3F and %23")
    username, colon, password = account.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    if kind == "cluster" and parts.path.strip("/") not in ("", "0"):
        raise ValueError("a cluster has no numbered databases: leave out what follows the hosts")
    if kind == "sentinel" and not service:
        raise ValueError(f"it must name the service after the hosts: {parts.scheme}://host:port/service/0")
    return Address(
        kind, url, tls, hosts,
        username=unquote(username) or None,
        password=unquote(password) if colon else None,
        service=unquote(service) if kind == "sentinel" else "",
        database=_database(database),
    )  # fmt: skip


def another_database(url: str, further: int) -> str:
    """The URL of the database so many after that of ``url``. Raises ValueError for a cluster, which has but one.

    >>> another_database("redis://127.0.0.1:6379/0", 1), another_database("redis://h:1", 2)
    ('redis://127.0.0.1:6379/1', 'redis://h:1/2')
    >>> another_database("redis+sentinel://s1/shop", 1)
    'redis+sentinel://s1/shop/1'
    """
    address = address_of(url)
    if address.kind == "cluster":
        raise ValueError("a cluster has no numbered databases, and several are needed: name one server")
    service = f"/{address.service}" if address.service else ""
    return urlunsplit(urlsplit(url)._replace(path=f"{service}/{address.database + further}"))


def _node(place: str, port: int) -> Node:
    try:
        parts = urlsplit(f"//{place}")
        if not parts.hostname:
            raise ValueError
        return parts.hostname, parts.port or port
    except ValueError:
        # not told: it may be half of a password
        raise ValueError(
            "a host or port cannot be read: list hosts as host:port,host:port, and encode / ? # @ in a password"
        ) from None


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise ValueError("the database is no number: end with /0, and encode / in a password as %2F")
    return int(text or 0)
