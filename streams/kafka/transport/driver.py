"""The transport behind ``kafkabatch://`` and the app that uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, cast

import faust
from faust.exceptions import ImproperlyConfigured
from faust.tables.manager import TableManager
from faust.transport.conductor import Conductor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, TransportT
from yarl import URL

from streams.kafka.transport.boot import BatchBoot
from streams.kafka.transport.consumer import BatchConsumer
from streams.kafka.transport.credentials import faust_credentials
from streams.kafka.transport.options import BatchOptions
from streams.kafka.transport.stream import BatchStream
from streams.kafka.transport.supervisor import BackoffSupervisor
from streams.kafka.transport.topic import BatchTopic

__all__ = ["BatchApp", "BatchConductor", "BatchTransport"]


class BatchConductor(Conductor):
    """Knows which topics are read in batches."""

    _known: tuple[int, frozenset[str]] = (-1, frozenset())

    @property
    def batch_topics(self) -> frozenset[str]:
        """Names of topics whose agents get batches.

        Raises ``ImproperlyConfigured`` when a topic is read both in batches and event by event.
        """
        if self._known[0] != len(self):
            topics = list(self)
            batches = {name for t in topics if isinstance(t, BatchTopic) for name in t.topics}
            events = {name for t in topics if not isinstance(t, BatchTopic) for name in t.topics}
            if batches & events:
                raise ImproperlyConfigured(
                    f"topic {sorted(batches & events)[0]!r} is read both by a BatchTopic and by a plain "
                    "topic: declare it once"
                )
            self._known = (len(topics), frozenset(batches))
        return self._known[1]

    def agents_of(self, topic: str) -> list[BatchTopic]:
        """The channels of the agents that read a topic in batches."""
        return [channel for channel in self if isinstance(channel, BatchTopic) and topic in channel.topics]


class BatchTransport(driver.Transport):
    """Faust's Kafka transport with whole batches for ``BatchTopic``s; entry point of ``faust.transports``."""

    Consumer = BatchConsumer
    Conductor = BatchConductor


class PromptTableManager(TableManager):
    """Starts at once: Faust waits a second for tables that are declared late, and these apps have none."""

    async def on_start(self) -> None:
        """Start the recovery service, which also begins the flow of apps without tables."""
        await self._update_channels()
        await self.recovery.start()


class BatchApp(faust.App):
    """A Faust app on ``kafkabatch://``.

    ``bootstrap``: ``host:port`` of one or several brokers. ``options``: see ``BatchOptions``. ``kafka``: SASL
    and TLS as for aiokafka's clients (``security_protocol``, ``ssl_context``, ``sasl_*``), and ``client_id``.
    Everything else goes to ``faust.App`` (``web_port``, ``datadir`` …).
    """

    BootStrategy = BatchBoot

    def __init__(
        self,
        id: str,
        *,
        bootstrap: str | Sequence[str],
        options: BatchOptions | None = None,
        kafka: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.batch_options = options or BatchOptions()
        #: set it to have the app leave its group with the next rebalance, when its work is done and committed
        self.leaves_next = False
        #: whether it has left in this way; it must be stopped then
        self.left = False
        servers = bootstrap.split(",") if isinstance(bootstrap, str) else list(bootstrap)
        settings: dict[str, Any] = {
            "broker": [URL(f"kafkabatch://{server.strip()}") for server in servers],
            "Stream": BatchStream,
            "TableManager": PromptTableManager,
            "agent_supervisor": BackoffSupervisor,
            "topic_disable_leader": True,
            "topic_allow_declare": False,
            "broker_session_timeout": self.batch_options.session_timeout,
            "broker_heartbeat_interval": self.batch_options.heartbeat_interval,
            "broker_commit_interval": self.batch_options.commit_interval,
            "consumer_max_fetch_size": self.batch_options.max_partition_fetch_bytes,
            "consumer_auto_offset_reset": "earliest",
            "broker_credentials": faust_credentials(kafka or {}),
        }
        if kafka and "client_id" in kafka:
            settings["broker_client_id"] = kafka["client_id"]
        super().__init__(id, **{**settings, **kwargs})

    # Given straight, so that the app also runs from a checkout that isn't installed (no entry point).

    def _new_transport(self) -> TransportT:
        return BatchTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> TransportT:
        return BatchTransport(self.conf.broker_producer, self)

    def _create_directories(self) -> None:
        """Make none: tables live in memory, and the working folder may be read-only or somebody's own."""

    async def prepare(self) -> None:
        """What must be ready before the app joins its group; its web pages are up by then. For subclasses."""

    def put_again(self, tps: Set[TP]) -> None:
        """Go back to ``start_offsets`` on these partitions; see ``BatchConsumer.put_again``."""
        cast(BatchConsumer, self.consumer).put_again(tps)

    def stop_partition(self, tp: TP, reason: str) -> None:
        """Read nothing more of a partition for now; see ``BatchConsumer.stop_partition``."""
        cast(BatchConsumer, self.consumer).stop_partition(tp, reason)

    @property
    def joined(self) -> bool:
        """Whether the app has a place in its group, and its partitions."""
        return self.rebalancing_count > 0 and not self.rebalancing

    @property
    def stopped(self) -> Mapping[TP, str]:
        """Partitions that are not read any more, and why."""
        return cast(BatchConsumer, self.consumer).stopped

    @property
    def waiting(self) -> str:
        """Why partitions are not at their start yet; empty where they are."""
        return cast(BatchConsumer, self.consumer).waiting

    def lags(self) -> dict[TP, int]:
        """Records of each assigned partition that are not done yet; see ``BatchConsumer.lags``."""
        return cast(BatchConsumer, self.consumer).lags()
