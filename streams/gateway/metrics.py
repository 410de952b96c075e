"""Every metric of a gateway, spelled once, in a registry of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["GatewayMetrics"]

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GatewayMetrics:
    """Counters, gauges and timings of one gateway, in Prometheus's text format by ``text``."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "streamrank_gateway_requests", "requests answered", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "streamrank_gateway_seconds",
            "time of one request that is no stream",
            ["route"],
            buckets=_BUCKETS,
            registry=registry,
        )
        events = Counter(
            "streamrank_gateway_events", "events posted, by what became of them", ["outcome"], registry=registry
        )
        self.accepted = events.labels("accepted")
        self.refused = events.labels("refused")
        self.unacknowledged = events.labels("unacknowledged")
        self._connections = Gauge("streamrank_gateway_connections", "open connections", registry=registry)
        self.streams = Gauge("streamrank_gateway_streams", "open streams of events", ["route"], registry=registry)

    def begin(self, route: str, statuses: Iterable[int], *, streams: bool) -> None:
        """Begin the series of a route with 0, so that a rate sees the first request."""
        for status in statuses:
            self.requests.labels(route, str(status))
        (self.streams if streams else self.seconds).labels(route)

    def connections(self, count: Callable[[], float]) -> None:
        """Ask how many connections are open when it is to be told."""
        self._connections.set_function(count)

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        return generate_latest(self.registry)
