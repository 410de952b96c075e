"""All settings of a deployment, each an environment variable ``STREAMRANK_<NAME>`` with a line of help.

``docs/settings.md`` lists them all; ``streamrank_client.settings`` reads and checks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from models.base.paths import INSTALLED
from state.addresses import address_of
from streamrank_client import settings as reading
from streamrank_client.settings import ClientSettings, environment, setting, user_cache, variable
from streamrank_client.vocabulary import HOUR_S

__all__ = ["PlanSettings", "Settings", "checkout", "environment", "load", "parse", "variable"]

ShareOfOne = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class PlanSettings(ClientSettings):
    """How queries are answered: what an arm of an experiment may set."""

    sources: str = setting("all", "the sources in use, comma separated; `all`: every one that there is")
    candidates: Annotated[int, Meta(ge=10, le=5_000)] = setting(200, "the most candidates that are ranked for a query")
    query_work: Annotated[int, Meta(ge=100, le=1_000_000)] = setting(
        10_000,
        "the most work for one query, in candidates scored: explaining scores each some thirty times; an answer that "
        "would take more is `cut`",
    )
    online: bool = setting(True, "whether the online ranker's weights are applied and learnt")
    epsilon: ShareOfOne = setting(0.0, "epsilon-swap: share of answers in which one item is swapped for another")
    exploration: Literal["auto", "none", "epsilon-swap", "plackett-luce"] = setting(
        "auto", "how answers are explored; auto: epsilon-swap if STREAMRANK_EPSILON is above 0, else none"
    )
    temperature: Annotated[float, Meta(ge=0.000001, le=1_000_000)] = setting(
        1.0, "temperature of plackett-luce, in units of the scores: the smaller it is, the less is explored"
    )
    explored_positions: str = setting(
        "", "positions of page one that exploration may change, such as `2-10` or `1,4-6`; default: all"
    )
    floor: Annotated[float, Meta(ge=0, le=1_000)] = setting(
        0.0,
        "how many standard deviations the score of an explored item may lie below that of the item ranked there "
        "(0: no limit)",
    )
    new_share: Annotated[float, Meta(ge=0, le=0.5)] = setting(
        0.0, "share of the positions shown that goes to new items which few have seen yet"
    )
    new_days: Annotated[float, Meta(ge=0, le=3_650)] = setting(
        14.0, "how long an item is new, in days from its first event"
    )
    dislike_days: Annotated[float, Meta(ge=0, le=3_650)] = setting(
        90.0, "days for which a disliked item is left out of its user's home, cart and similar, and sinks in searches"
    )
    repeat_days: str = setting(
        "0",
        "days for which a bought item is not recommended again on home, cart and similar; by category with "
        "`name=days`, where the deepest named category decides: `0,electronics=90`",
    )
    per_brand: str = setting(
        "0", "the most items of a brand on a page of home, cart and similar (0: no limit); by surface: `2,search=5`"
    )
    per_category: str = setting("0", "the same for the items of a leaf category")
    diversity: str = setting(
        "0", "strength of maximal marginal relevance on home, cart and similar, 0 to 1; by surface: `0,home=0.2`"
    )


@dataclass(frozen=True, kw_only=True)
class Settings(PlanSettings):
    """One deployment's settings; secrets are never shown by ``repr`` or ``shown``."""

    redis: str = setting(
        "redis://127.0.0.1:6379/0",
        "Redis address: redis://[user:password@]host:port/db, a cluster's redis+cluster://host:port,host:port or "
        "Sentinels' redis+sentinel://host:port,host:port/service/db; rediss in place of redis for TLS",
        url=address_of,
    )
    redis_ca: str = setting("", "file of the certificate authority that signed Redis's certificate", file=True)
    redis_timeout_s: Annotated[float, Meta(ge=0.05)] = setting(5.0, "seconds after which a Redis call has failed")
    replication: Annotated[int, Meta(ge=1, le=9)] = setting(1, "replicas of each topic that `topics create` makes")
    group: str = setting("streamrank", "consumer group, and Faust's application id")
    session_timeout_s: Annotated[float, Meta(ge=1, le=300)] = setting(
        10.0, "seconds of silence after which a worker loses its partitions"
    )
    batch_records: Annotated[int, Meta(ge=1, le=100_000)] = setting(
        2_000, "the most records of one partition in a batch"
    )
    on_gap: Literal["stop", "continue"] = setting(
        "stop", "what becomes of a partition where events are missing that Kafka or Redis no longer has"
    )
    wrong_partition: Literal["reroute", "refuse"] = setting(
        "reroute",
        "what becomes of a record on another partition than its key's: published again where it belongs, or refused",
    )
    web_host: str = setting("127.0.0.1", "address of /health, /ready and /metrics")
    web_port: Annotated[int, Meta(ge=0, le=65535)] = setting(
        6066, "port of /health, /ready and /metrics (0: a free one)"
    )
    operator_token: str = setting(
        "",
        "bearer token that /explain and /user ask for; without one they answer only on a loopback address",
        secret=True,
    )
    gateway_host: str = setting(
        "127.0.0.1", "address of `streamrank gateway`; one that is no loopback address needs STREAMRANK_GATEWAY_TOKENS"
    )
    gateway_port: Annotated[int, Meta(ge=0, le=65535)] = setting(6080, "port of the gateway (0: a free one)")
    gateway_tokens: str = setting(
        "", "TOML file of the gateway's tokens (docs/gateway.md); without one anybody on this machine may do all",
        file=True,
    )  # fmt: skip
    gateway_origins: str = setting(
        "", "origins of pages that may call the gateway from elsewhere (CORS), comma separated: https://shop.example"
    )
    gateway_workers: str = setting(
        "http://127.0.0.1:6066",
        "web ports of query workers, comma separated; the gateway asks them for users and explanations, with "
        "STREAMRANK_OPERATOR_TOKEN",
    )
    gateway_timeout_ms: Annotated[int, Meta(ge=1, le=30_000)] = setting(
        1_000, "how long the gateway waits for an answer where a request does not say, in milliseconds"
    )
    gateway_connections: Annotated[int, Meta(ge=1, le=100_000)] = setting(
        1_000, "the most open connections of a gateway"
    )
    gateway_rate: Annotated[float, Meta(ge=0)] = setting(
        0.0, "events and queries a second by token of the gateway, where its file does not say (0: no limit)"
    )
    gateway_user_rate: Annotated[float, Meta(ge=0)] = setting(
        20.0, "events and queries a second by user with a signed token (0: no limit)"
    )
    artifacts: str = setting("", "folder of artifacts that override or add to the shipped ones")
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "where models run")
    threads: Annotated[int, Meta(ge=1, le=64)] = setting(1, "threads of one inference call")
    artifact_poll_s: Annotated[float, Meta(ge=0.1)] = setting(
        5.0, "how often a worker looks for newer artifacts, in seconds"
    )
    after_wait_ms: Annotated[int, Meta(ge=0, le=10_000)] = setting(
        50, "longest wait of a query for its `after` event, in milliseconds"
    )
    most_waiting: Annotated[int, Meta(ge=1, le=1_000_000)] = setting(
        10_000, "most queries that may wait in a worker; more are answered with the error `overloaded`"
    )
    answer_deadline_ms: Annotated[int, Meta(ge=0, le=600_000)] = setting(
        0, "milliseconds after which a query is answered with the error `late` (0: never)"
    )
    join_hours: Annotated[float, Meta(ge=0.01)] = setting(
        24.0, "how old an impression may be for behaviour to join it, in hours"
    )
    skew_seconds: Annotated[float, Meta(ge=0, le=3_600)] = setting(
        5.0, "by how much the clock of behaviour may be behind that of the query which it answers, in seconds"
    )
    user_daily: Annotated[int, Meta(ge=0, le=255)] = setting(
        2,
        "how often one user's events of a kind on an item count in a day, for popularity, trends and what is chosen "
        "after a query (0: always)",
    )
    learning_rate: ShareOfOne = setting(0.02, "step size of the online ranker")
    position_bias: bool = setting(
        False,
        "whether the trainer and retraining correct clicks for position bias, once exploration has shown how "
        "large it is",
    )
    retrain_every: Annotated[int, Meta(ge=0)] = setting(
        0,
        "feedback examples after which a new ranker is trained, at first after 400, 800, 1,600 and so on; it takes "
        "over if it is better (0: never). Set it alike on workers of all roles",
    )
    queries: Annotated[int, Meta(ge=0, le=1_000_000)] = setting(
        50_000, "the most query texts whose choices a query worker remembers"
    )
    experiment: str = setting(
        "", "TOML file of an experiment: its arms, and the settings in which they differ", file=True
    )
    image_dim: Annotated[int, Meta(ge=0, le=4_096)] = setting(
        0, "length of the image vectors of items and queries (0: images are off); publish the items after a change"
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", "what is logged")
    log_format: Literal["auto", "text", "json"] = setting(
        "auto", "how a worker logs: lines of text, or of JSON; auto: text where stderr is a terminal, else JSON"
    )

    @property
    def keep_s(self) -> int:
        """How long impressions and sessions are kept, in seconds: as long as behaviour may join them, and a minute."""
        return int(self.join_hours * HOUR_S) + 60

    @property
    def artifact_folder(self) -> Path:
        """Where built artifacts lie: ``artifacts``, else in ``.cache`` of the checkout, else in the user's cache."""
        if self.artifacts:
            return Path(self.artifacts)
        return (user_cache() / "streamrank" if INSTALLED else checkout() / ".cache") / "artifacts"

    @property
    def own_artifacts(self) -> Path:
        """Where this shop's own artifacts lie, which come before those that all shops share."""
        return self.artifact_folder / "shops" / self.shop if self.shop else self.artifact_folder


def checkout() -> Path:
    """The folder that holds ``streams/``, ``models/``, ``state/``, ``tests/`` and ``docs/``, for development only: an
    installed wheel has no such folder (``models.base.paths`` finds its data).
    """
    return Path(__file__).resolve().parent.parent


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raises SettingsError naming the variable, the value and what is allowed.

    >>> load({"STREAMRANK_WEB_PORT": "8080"}).web_port
    8080
    """
    return reading.read(Settings, environ)


def parse(name: str, text: str, label: str) -> Any:
    """One setting's value from its text, checked as ``load`` does; SettingsError calls it ``label``.

    >>> parse("epsilon", "0.1", "epsilon in arms.toml")
    0.1
    """
    return reading.parse(Settings, name, text, label)
