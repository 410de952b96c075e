"""Settings from the environment: how to reach a deployment, and how any class of settings is read and checked.

Each field of a frozen dataclass is the environment variable ``STREAMRANK_<NAME>``. Its annotation says what is
allowed, ``setting`` its default and its line of help. The application's settings (``streams/settings.py``) extend the
client's. This is the only module that reads the environment.

>>> read(ClientSettings, {"STREAMRANK_PARTITIONS": "16"}).partitions
16
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Meta

from streamrank_client.errors import SettingsError
from streamrank_client.topics import Topics, topics

__all__ = [
    "ClientSettings", "allowed", "environment", "given", "parse", "read", "secret_texts", "secrets_given", "setting",
    "user_cache", "variable", "without_password",
]  # fmt: skip

PREFIX: Final = "STREAMRANK_"
_YES_NO: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_SHOP: Final = r"\A([A-Za-z0-9][A-Za-z0-9-]{0,39})?\Z"
S = TypeVar("S", bound="ClientSettings")


def setting(
    default: Any, help: str, *, secret: bool = False, url: Callable[[str], object] | None = None, file: bool = False
) -> Any:
    """A field with its line of help. ``secret``: never shown; ``url``: reads an address whose password is never shown,
    and raises ValueError with what is wrong; ``file``: a path that must exist where it is given.
    """
    more = {"help": help, "secret": secret, "url": url, "file": file}
    return field(default=default, repr=not (secret or url), metadata=more)


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """What a client needs to reach a deployment. Secrets are never shown by ``repr`` or ``shown``."""

    kafka: str = setting("127.0.0.1:9092", "Kafka bootstrap servers, host:port, comma separated")
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = setting(
        "PLAINTEXT", "the protocol to Kafka"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = setting(
        "SCRAM-SHA-512", "SASL mechanism"
    )
    kafka_username: str = setting("", "SASL user")
    kafka_password: str = setting("", "SASL password", secret=True)
    kafka_ca: str = setting("", "file of the certificate authority that signed Kafka's certificate", file=True)
    kafka_cert: str = setting("", "file of this client's certificate, if Kafka asks for one", file=True)
    kafka_cert_key: str = setting("", "file of that certificate's key", file=True)
    partitions: Annotated[int, Meta(ge=1, le=1024)] = setting(
        8, "partitions of the user topics; fixed once there is state"
    )
    shop: Annotated[
        str, Meta(pattern=_SHOP, description="letters, digits and `-`, 40 at most, the first one no `-`")
    ] = setting("", "the shop, where several share Kafka and Redis: put before topics, consumer groups and Redis keys")
    topic_prefix: str = setting(
        "", "put before every topic's name, and before the shop's, to share Kafka with what is not streamrank"
    )
    fetch_wait_ms: Annotated[int, Meta(ge=1)] = setting(
        500, "how long Kafka may hold a fetch (10 with the embedded broker)"
    )

    def __post_init__(self) -> None:
        """Raise SettingsError for a shop that cannot be part of names."""
        parse(ClientSettings, "shop", self.shop, variable("shop"))

    @property
    def topics(self) -> Topics:
        """The topics of this deployment's shop."""
        return topics(self.partitions, self.first_of_topics)

    @property
    def first_of_topics(self) -> str:
        """How the name of each topic of this shop begins."""
        return self.topic_prefix + self.in_shop("")

    def in_shop(self, name: str) -> str:
        """A name of Kafka's as this shop has it. A full stop ends the shop's name, which has none: so the rights to
        names that begin with it are those of one shop.

        >>> ClientSettings(shop="anna").in_shop("streamrank"), ClientSettings().in_shop("streamrank")
        ('anna.streamrank', 'streamrank')
        """
        return f"{self.shop}.{name}" if self.shop else name

    def shown(self) -> dict[str, str]:
        """Every setting as text, secrets and the passwords in addresses masked."""
        return {f.name: _mask(f, getattr(self, f.name)) for f in fields(self)}

    def secrets(self) -> list[str]:
        """Every text that must not be shown: passwords, tokens, those in addresses."""
        return secret_texts(type(self), {f.name: str(getattr(self, f.name)) for f in fields(self)})

    def as_environment(self) -> dict[str, str]:
        """Every setting as its variable, for a process that is to have the same ones."""
        return {variable(f.name): str(getattr(self, f.name)) for f in fields(self)}


def variable(name: str) -> str:
    """The environment variable of a setting.

    >>> variable("topic_prefix")
    'STREAMRANK_TOPIC_PREFIX'
    """
    return PREFIX + name.upper()


def environment(changes: Mapping[str, str], without: Collection[str] = ()) -> dict[str, str]:
    """This process's environment with ``changes`` and ``without`` some variables, for a process that it starts."""
    return {name: value for name, value in {**os.environ, **changes}.items() if name not in without}


def given() -> dict[str, str]:
    """Every variable ``STREAMRANK_…`` of this process."""
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}


def user_cache() -> Path:
    """The user's folder of what can be made again: $XDG_CACHE_HOME, where it is set to a whole path, else ~/.cache.

    Raises SettingsError where there is neither.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():  # the specification has others ignored
        return named
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        raise SettingsError("XDG_CACHE_HOME is not set, and this user has no home folder: set it") from None


def secrets_given(kind: type[ClientSettings]) -> list[str]:
    """What this process's environment has of secrets, whether or not its settings can be read."""
    return secret_texts(kind, {f.name: os.environ.get(variable(f.name), "") for f in fields(kind)})


def secret_texts(kind: type[ClientSettings], values: Mapping[str, str]) -> list[str]:
    """The secrets among settings as texts; a password in an address as it stands there, and as it is meant.

    >>> secret_texts(ClientSettings, {"kafka": "k1:9092", "kafka_password": "hush"})
    ['hush']
    """
    found = []
    for f in fields(kind):
        text = values.get(f.name, "")
        if f.metadata["secret"]:
            found.append(text)
        elif f.metadata["url"]:
            userinfo, _, place = text.partition("://")[2].rpartition("@")
            password = userinfo.partition(":")[2]
            named = [value for key, value in parse_qsl(place.partition("?")[2]) if key == "password"]
            found += [password, unquote(password), *named]
    return [text for text in dict.fromkeys(found) if text]


def read(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Settings of a class from the environment; raises SettingsError naming the variable, the value and what is
    allowed.
    """
    env = os.environ if environ is None else environ
    given = {f.name: env[variable(f.name)] for f in fields(kind) if variable(f.name) in env}
    found = kind(**{name: parse(kind, name, text, variable(name)) for name, text in given.items()})
    _check_together(found)
    return found


def parse(kind: type[ClientSettings], name: str, text: str, label: str) -> Any:
    """One setting's value from its text, checked as ``read`` does; SettingsError calls it ``label``.

    >>> parse(ClientSettings, "fetch_wait_ms", "10", "fetch_wait_ms in arms.toml")
    10
    """
    about = kind.__dataclass_fields__[name].metadata
    shown = "***" if about["secret"] else repr(without_password(text) if about["url"] else text)
    wanted = _type(kind, name)
    try:
        value = msgspec.convert(_YES_NO.get(text.lower(), text) if wanted is bool else text, wanted, strict=False)
    except msgspec.ValidationError:
        raise SettingsError(f"{label}={shown}: expected {allowed(kind, name)}") from None
    if about["url"]:
        try:
            about["url"](text)
        except ValueError as error:
            raise SettingsError(f"{label}={shown}: {error}") from None
    return value


def allowed(kind: type[ClientSettings], name: str) -> str:
    """What a setting may be, in words.

    >>> allowed(ClientSettings, "partitions")
    'a whole number from 1 to 1024'
    >>> allowed(ClientSettings, "kafka_sasl_mechanism")
    'one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512'
    """
    wanted = _type(kind, name)
    if get_origin(wanted) is Literal:
        return "one of " + ", ".join(get_args(wanted))
    base, *metas = get_args(wanted) if get_origin(wanted) is Annotated else (wanted,)
    if metas and metas[0].description is not None:
        return str(metas[0].description)
    text = {bool: "true or false", int: "a whole number", float: "a number"}.get(base, "a text")
    for meta in metas:
        if meta.le is not None:
            text += f" from {meta.ge:g} to {meta.le:g}"
        elif meta.ge is not None:
            text += f" of {meta.ge:g} or more"
    return text


def _type(kind: type[ClientSettings], name: str) -> Any:
    return get_type_hints(kind, include_extras=True)[name]


def _check_together(s: ClientSettings) -> None:
    if s.kafka_security.startswith("SASL") and not (s.kafka_username and s.kafka_password):
        raise SettingsError(
            f"{variable('kafka_security')}={s.kafka_security} needs {variable('kafka_username')} "
            f"and {variable('kafka_password')}"
        )
    for f in fields(s):
        path = getattr(s, f.name)
        if f.metadata["file"] and path and not Path(path).is_file():
            raise SettingsError(f"{variable(f.name)}={path!r}: no such file")


def _mask(f: Field[Any], value: Any) -> str:
    if f.metadata["secret"]:
        return "***" if value else ""
    return without_password(str(value)) if f.metadata["url"] else str(value)


def without_password(url: str) -> str:
    """An address as it may be shown: without password, and without what follows a question mark.

    >>> without_password("redis://me:hush@r1:6379,r2:6379/0?password=hush")
    'redis://me:***@r1:6379,r2:6379/0'
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "***" if {"@", "?"} & set(url) else url
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    return f"{scheme}://{user}{':***' if colon else ''}{at}{place.partition('?')[0]}"
