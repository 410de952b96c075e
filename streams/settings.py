"""All settings, each an environment variable ``STREAMRANK_<NAME>`` with a line of help.

This is the only module that reads the environment. ``docs/settings.md`` lists them all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from streams.errors import SettingsError

PREFIX = "STREAMRANK_"


def _setting(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One deployment's settings; secrets are never shown by ``repr`` or ``shown``."""

    kafka: str = _setting("127.0.0.1:9092", "Kafka bootstrap servers, host:port, comma separated")
    kafka_security: str = _setting(
        "PLAINTEXT", "how Kafka is spoken to", choices=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
    )
    kafka_sasl_mechanism: str = _setting(
        "SCRAM-SHA-512", "SASL mechanism", choices=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    )
    kafka_username: str = _setting("", "SASL user")
    kafka_password: str = field(default="", repr=False, metadata={"help": "SASL password", "secret": True})
    kafka_ca: str = _setting("", "file of the certificate authority that signed Kafka's certificate")
    kafka_cert: str = _setting("", "file of this client's certificate, where Kafka asks for one")
    kafka_cert_key: str = _setting("", "file of that certificate's key")
    redis: str = field(
        default="redis://127.0.0.1:6379/0",
        repr=False,
        metadata={"help": "Redis address: redis:// or rediss://[user:password@]host:port/db", "url": True},
    )
    redis_ca: str = _setting("", "file of the certificate authority that signed Redis's certificate")
    redis_timeout_s: float = _setting(5.0, "a Redis call that takes longer has failed, in seconds", least=0.05)
    partitions: int = _setting(8, "partitions of the user topics; fixed once there is state", least=1, most=1024)
    replication: int = _setting(1, "replicas of each topic that `topics create` makes", least=1, most=9)
    topic_prefix: str = _setting("", "put before every topic's name, to share a Kafka cluster")
    group: str = _setting("streamrank", "consumer group, and Faust's application id")
    fetch_wait_ms: int = _setting(500, "how long Kafka may hold a fetch (10 with the embedded broker)", least=1)
    session_timeout_s: float = _setting(
        10.0, "a worker silent for so many seconds loses its partitions", least=1, most=300
    )
    batch_records: int = _setting(2_000, "most records of one partition in a batch", least=1, most=100_000)
    web_host: str = _setting("127.0.0.1", "address of /health, /ready and /metrics")
    web_port: int = _setting(6066, "port of /health, /ready and /metrics (0: a free one)", least=0, most=65535)
    artifacts: str = _setting("", "folder of artifacts that override or add to the shipped ones")
    device: str = _setting("auto", "where models run", choices=("auto", "cpu", "cuda"))
    threads: int = _setting(1, "threads of one inference call", least=1, most=64)
    artifact_poll_s: float = _setting(5.0, "how often a worker looks for newer artifacts, in seconds", least=0.1)
    after_wait_ms: int = _setting(50, "longest wait of a query for its `after` event", least=0, most=10_000)
    join_hours: float = _setting(24.0, "behaviour joins an impression at most so much older", least=0.01)
    candidates: int = _setting(200, "most candidates that are ranked for a query", least=10, most=5_000)
    epsilon: float = _setting(
        0.0, "epsilon-swap: share of answers in which one item is swapped for another", least=0, most=1
    )
    exploration: str = _setting(
        "auto", "how answers are explored; auto: epsilon-swap where STREAMRANK_EPSILON is above 0, else none",
        choices=("auto", "none", "epsilon-swap", "plackett-luce"),
    )  # fmt: skip
    temperature: float = _setting(
        1.0, "plackett-luce: in the unit of the scores; a small one explores little", least=0.000001, most=1_000_000
    )
    explored_positions: str = _setting("", "positions of page one that exploration may change: `2-10`, `1,4-6` (all)")
    floor: float = _setting(
        0.0, "exploration shows nothing whose score is more than so many standard deviations below that of the item "
        "ranked there (0: no floor)", least=0, most=1_000,
    )  # fmt: skip
    new_share: float = _setting(
        0.0, "share of the positions shown that go to new items which few have seen yet", least=0, most=0.5
    )
    new_days: float = _setting(14.0, "how long an item is new, in days from its first event", least=0, most=3_650)
    learning_rate: float = _setting(0.02, "step of the online ranker", least=0, most=1)
    position_bias: bool = _setting(
        False, "whether the trainer and retraining correct clicks for position bias, where exploration has shown how "
        "large it is",
    )  # fmt: skip
    retrain_every: int = _setting(
        0, "a new ranker is trained after so many feedback examples, at first after 400, 800, 1,600 and so on, in a "
        "process of its own, and takes over if it is better (0: never); the same on workers of all roles", least=0,
    )  # fmt: skip
    online: bool = _setting(True, "whether the online ranker's weights are applied and learnt")
    queries: int = _setting(50_000, "most query texts whose choices every query worker knows", least=0, most=1_000_000)
    sources: str = _setting(
        "query_clicks,covisits,context,semantic,lexical,trending,covisits_wide,image,query_neighbours,"
        "trending_category,popular,repurchase,new_arrivals,tower,covisits_basket",
        "the sources in use, comma separated",
    )
    experiment: str = _setting("", "TOML file of an experiment: its arms, and the settings in which they differ")
    image_dim: int = _setting(
        0, "length of the image vectors of items and queries (0: images are off); publish the items after a change",
        least=0, most=4_096,
    )  # fmt: skip
    repeat_days: str = _setting(
        "0",
        "days for which what was just bought is not recommended on home, cart and similar; by category with "
        "`name=days`, the deepest named one deciding: `0,electronics=90`",
    )
    per_brand: str = _setting(
        "0", "most items of a brand on a page of home, cart and similar (0: no limit); by surface: `2,search=5`"
    )
    per_category: str = _setting("0", "the same for the items of a leaf category")
    diversity: str = _setting(
        "0", "strength of maximal marginal relevance on home, cart and similar, 0 to 1; by surface: `0,home=0.2`"
    )
    log_level: str = _setting("info", "what is logged", choices=("debug", "info", "warning", "error"))

    @property
    def source_names(self) -> tuple[str, ...]:
        """The sources in use, in order."""
        return tuple(s.strip() for s in self.sources.split(",") if s.strip())

    @property
    def artifact_folder(self) -> Path:
        """Where built artifacts lie: ``artifacts``, else ``.cache/artifacts`` beside the packages."""
        return Path(self.artifacts) if self.artifacts else checkout() / ".cache" / "artifacts"

    def shown(self) -> dict[str, str]:
        """Every setting as text, secrets and the password in addresses masked."""
        return {f.name: _mask(f, getattr(self, f.name)) for f in fields(self)}


def for_child(changes: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with ``changes``, for a process that it starts."""
    return {**os.environ, **changes}


def checkout() -> Path:
    """The folder that holds ``streams/``, ``models/``, ``state/`` and ``data/``."""
    return Path(__file__).resolve().parent.parent


def variable(name: str) -> str:
    """The environment variable of a setting.

    >>> variable("web_port")
    'STREAMRANK_WEB_PORT'
    """
    return PREFIX + name.upper()


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises SettingsError naming the variable, the value and what is allowed.

    >>> load({"STREAMRANK_WEB_PORT": "8080"}).web_port
    8080
    """
    env = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for f in fields(Settings):
        text = env.get(variable(f.name))
        if text is not None:
            values[f.name] = _parse(f, text, variable(f.name))
    settings = Settings(**values)
    _check_together(settings)
    return settings


def parse(name: str, text: str, label: str) -> Any:
    """One setting's value from its text, checked as ``load`` does; SettingsError calls it ``label``.

    >>> parse("epsilon", "0.1", "epsilon in arms.toml")
    0.1
    """
    return _parse(Settings.__dataclass_fields__[name], text, label)


def _parse(f: Field[Any], text: str, label: str) -> Any:
    def wrong(remedy: str) -> SettingsError:
        shown = "***" if f.metadata.get("secret") or f.metadata.get("url") else repr(text)
        return SettingsError(f"{label}={shown}: {remedy}")

    kind: Any = type(f.default)
    if kind is bool:
        if text.lower() not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
            raise wrong("expected true or false")
        return text.lower() in ("1", "true", "yes", "on")
    try:
        value = kind(text)
    except ValueError:
        raise wrong(f"expected {'a whole number' if kind is int else 'a number'}") from None
    choices = f.metadata.get("choices")
    if choices and value not in choices:
        raise wrong("expected one of " + ", ".join(choices))
    least, most = f.metadata.get("least"), f.metadata.get("most")
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        raise wrong(f"expected {least} to {most}" if most is not None else f"expected at least {least}")
    if f.metadata.get("url") and urlsplit(text).scheme not in ("redis", "rediss", "unix"):
        raise wrong("expected an address that begins with redis://, rediss:// or unix://")
    return value


def _check_together(s: Settings) -> None:
    if s.kafka_security.startswith("SASL") and not (s.kafka_username and s.kafka_password):
        raise SettingsError(
            f"{variable('kafka_security')}={s.kafka_security} needs {variable('kafka_username')} "
            f"and {variable('kafka_password')}"
        )
    for name in ("kafka_ca", "kafka_cert", "kafka_cert_key", "redis_ca", "experiment"):
        path = getattr(s, name)
        if path and not Path(path).is_file():
            raise SettingsError(f"{variable(name)}={path!r}: no such file")


def _mask(f: Field[Any], value: Any) -> str:
    if f.metadata.get("secret"):
        return "***" if value else ""
    if f.metadata.get("url"):
        parts = urlsplit(str(value))
        if parts.password:
            netloc = f"{parts.username or ''}:***@{parts.hostname}" + (f":{parts.port}" if parts.port else "")
            return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
    return str(value)
