"""Every metric, spelled once; one ``Metrics`` a worker, with a registry of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from platform import python_version
from time import monotonic, perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from models.serving import Models
from streamrank_client.answers import Answer, DeadLetter
from streams.handlers.outcomes import Outcome
from streams.lookup.private_parts import installed

_BUCKETS = (0.0005, 0.001, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counters, gauges and timings of one worker, in Prometheus's text format by ``text``."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.events = Counter("streamrank_events", "events stored, by kind", ["kind"], registry=registry)
        self.dead_letters = Counter(
            "streamrank_dead_letters", "records that could not be used", ["topic", "code"], registry=registry
        )
        self.repeated = Counter(
            "streamrank_repeated_events", "behaviour events whose id was counted before", registry=registry
        )
        self.identified = Counter(
            "streamrank_identified", "visitors whose history was added to a user's after a login", registry=registry
        )
        self.late_items = Counter(
            "streamrank_late_items", "item events that were older than what was held, and changed nothing",
            registry=registry,
        )  # fmt: skip
        self.feedback = Counter("streamrank_feedback", "behaviour joined to its impression", registry=registry)
        self.learnt = Counter("streamrank_learnt_pairs", "pairs learnt by the online ranker", registry=registry)
        self.answers = Counter("streamrank_answers", "answers given", ["surface"], registry=registry)
        self.suggestions = Counter("streamrank_suggested", "texts completed for who types them", registry=registry)
        self.stale = Counter(
            "streamrank_stale_answers", "answers given before their `after` event was stored", registry=registry
        )
        self.errors = Counter("streamrank_error_answers", "queries answered with an error", ["code"], registry=registry)
        self.unknown_items = Counter(
            "streamrank_unknown_items", "behaviour events on items that the catalogue does not hold", registry=registry
        )
        self._add_arms()
        self.retries = Counter("streamrank_retries", "batches tried again", ["stage"], registry=registry)
        self.seconds = Histogram(
            "streamrank_stage_seconds",
            "time of one batch in a stage",
            ["stage"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.source_seconds = Histogram(
            "streamrank_source_seconds",
            "time of one source for one query",
            ["source"],
            buckets=(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05),
            registry=registry,
        )
        self.answer_seconds = Histogram(
            "streamrank_answer_seconds",
            "time of one answer, from its query's arrival in the worker until Kafka has acknowledged it",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.answer_stage_seconds = Histogram(
            "streamrank_answer_stage_seconds",
            "time of each stage of an answer; queries that are answered together share it",
            ["stage"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.items = Gauge("streamrank_catalogue_items", "items in the catalogue", registry=registry)
        self.to_encode = Gauge(
            "streamrank_items_to_encode", "items with vectors of another encoder, encoded again in slices",
            registry=registry,
        )  # fmt: skip
        self.queries = Gauge("streamrank_known_queries", "query texts known by their choices", registry=registry)
        self._add_learning()
        self._add_models()
        self._add_faults()

    def _add_faults(self) -> None:
        """What is not as it should be, beside dead letters."""
        registry = self.registry
        self.stopped = Gauge(
            "streamrank_stopped_partitions", "partitions that are not read any more", ["topic"], registry=registry
        )
        self.stuck = Gauge(
            "streamrank_stage_stuck", "1 while a stage falls behind and gets nothing done", ["stage"], registry=registry
        )
        self.tasks = Gauge("streamrank_tasks", "tasks of the worker's event loop", registry=registry)
        self.watermark = Gauge(
            "streamrank_behavior_watermark_seconds",
            "newest event time, in Unix seconds, at the watermarks of this worker's partitions of behavior-events",
            registry=registry,
        )
        self.lag = Gauge("streamrank_lag", "records that a stage has yet to handle", ["stage"], registry=registry)
        self.away = Gauge("streamrank_server_away", "1 while a server does not answer", ["server"], registry=registry)
        self.gap_events = Counter(
            "streamrank_gap_events", "events whose effects are missing in what is stored", ["topic"], registry=registry
        )
        self.damaged_batches = Counter(
            "streamrank_damaged_batches", "batches with a wrong checksum that were set aside", ["topic"],
            registry=registry,
        )  # fmt: skip
        self.bad_values = Counter(
            "streamrank_bad_values",
            "stored values that could not be read, kept under bad:",
            ["kind"],
            registry=registry,
        )
        self.rerouted = Counter(
            "streamrank_rerouted",
            "records that lay on another partition than their key's, and were published again",
            ["topic"],
            registry=registry,
        )
        self.bad_records = Counter(
            "streamrank_bad_records", "records of broadcast topics that were skipped", ["topic"], registry=registry
        )
        self.unreadable = Counter(
            "streamrank_unreadable_values", "stored values that answers did without", ["error"], registry=registry
        )
        self.cut = Counter(
            "streamrank_cut_answers", "answers that would have been more work than one query may be", registry=registry
        )
        self.degraded = Counter(
            "streamrank_degraded_answers", "answers given from less than is stored", registry=registry
        )
        self.waiting_impressions = Gauge(
            "streamrank_waiting_impressions", "records of answers that Redis has refused so far", registry=registry
        )
        self.lost_impressions = Counter(
            "streamrank_lost_impressions", "records of answers that were never stored", registry=registry
        )

    def _add_learning(self) -> None:
        """What the online ranker has come to, by surface."""
        registry = self.registry
        self.weights = Gauge(
            "streamrank_weights_version", "version of the online weights in use", ["surface"], registry=registry
        )
        self.examination = Gauge(
            "streamrank_examination",
            "how likely a position is looked at, relative to the first",
            ["surface", "position"],
            registry=registry,
        )
        self.drift_alarms = Counter(
            "streamrank_drift_alarms", "the loss of the answers rose for good", ["surface"], registry=registry
        )
        self.silent_sources = Counter(
            "streamrank_silent_sources", "sources that fell silent", ["surface", "source"], registry=registry
        )
        self.loss = Gauge(
            "streamrank_feedback_loss",
            "running mean of the loss of the lists as shown, by the place of what was chosen beside that of popularity",
            ["surface"],
            registry=registry,
        )

    def _add_models(self) -> None:
        """What models a worker runs, and where."""
        registry = self.registry
        self.provider = Gauge(
            "streamrank_provider", "execution provider in use", ["model", "provider"], registry=registry
        )
        self.fell_back = Gauge(
            "streamrank_provider_fell_back",
            "1 if a device was wanted and the CPU is used",
            ["model"],
            registry=registry,
        )
        self.retrainings = Counter(
            "streamrank_retrainings", "rankers trained on a schedule, by outcome", ["outcome"], registry=registry
        )
        self.artifact = Gauge("streamrank_artifact", "artifact in use", ["kind", "version"], registry=registry)
        build = Gauge("streamrank_build_info", "what runs here", ["version", "python"], registry=registry)
        build.labels(installed("streamrank") or "unknown", python_version()).set(1)

    def _add_arms(self) -> None:
        """What each arm of an experiment gave and got; series are as many as arms."""
        registry, labels = self.registry, ["experiment", "arm"]
        self.arm_answers = Counter("streamrank_arm_answers", "answers given, by arm", labels, registry=registry)
        self.arm_items = Counter("streamrank_arm_items", "items in answers, by arm", labels, registry=registry)
        self.arm_outcomes = Counter(
            "streamrank_arm_outcomes",
            "clicks, add_to_carts and purchases that belong to an answer, by its arm",
            [*labels, "kind"],
            registry=registry,
        )
        self.arm_dwell = Counter(
            "streamrank_arm_dwell_seconds", "dwell that belongs to an answer, by its arm", labels, registry=registry
        )

    def waited(self, came: Sequence[float]) -> None:
        """The turn of these queries begins; ``came``: when they did, in seconds of the monotonic clock."""
        now, waited = monotonic(), self.answer_stage_seconds.labels("wait")
        for at in came:
            waited.observe(now - at)

    def answered(self, answer: Answer, came: float) -> None:
        """Count an answer to a query that came then, and what kept it from being whole."""
        self.answer_seconds.observe(monotonic() - came)
        self.answers.labels(answer.surface).inc()
        self.arm_answers.labels(answer.experiment, answer.arm).inc()
        self.arm_items.labels(answer.experiment, answer.arm).inc(len(answer.items))
        if answer.degraded:
            self.degraded.inc()
        if answer.cut:
            self.cut.inc()

    def count_outcomes(self, outcomes: Mapping[Outcome, float]) -> None:
        """Count what users did with the answers of each arm."""
        for (experiment, arm, kind), value in outcomes.items():
            if kind == "dwell":
                self.arm_dwell.labels(experiment, arm).inc(value)
            else:
                self.arm_outcomes.labels(experiment, arm, kind).inc(value)

    def examined(self, surface: str, examination: Sequence[float]) -> None:
        """Show the examination of a surface's positions, from the first."""
        for position, value in enumerate(examination, start=1):
            self.examination.labels(surface, str(position)).set(value)

    def watched(self, surface: str, loss: float) -> None:
        """Show the running mean of the loss of a surface's feedback; its alarms count from 0."""
        self.loss.labels(surface).set(loss)
        self.drift_alarms.labels(surface)

    def dead(self, letters: Sequence[DeadLetter]) -> None:
        """Count dead letters."""
        for letter in letters:
            self.dead_letters.labels(letter.topic, letter.code).inc()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        began = perf_counter()
        yield
        self.seconds.labels(stage).observe(perf_counter() - began)

    @contextmanager
    def timed_answer(self, stage: str) -> Iterator[None]:
        """Time a stage of the answers that are given together."""
        began = perf_counter()
        yield
        self.answer_stage_seconds.labels(stage).observe(perf_counter() - began)

    @contextmanager
    def timed_source(self, source: str) -> Iterator[None]:
        """Time one source for one query."""
        began = perf_counter()
        yield
        self.source_seconds.labels(source).observe(perf_counter() - began)

    def sizes(self, models: Models) -> None:
        """Show how large the tables are, and which weights are in use."""
        self.items.set(len(models.catalogue))
        self.queries.set(len(models.lore.table))
        for surface, weights in models.weights.items():
            self.weights.labels(surface).set(weights.version)

    def artifacts(self, models: Models) -> None:
        """Show which artifacts are in use, and where they run."""
        for kind, model in (("encoder", models.encoder), ("ranker", models.ranker)):
            self.provider.labels(kind, model.provider).set(1)
            self.fell_back.labels(kind).set(1 if model.warning else 0)
        self.artifact.clear()
        for kind, version in models.versions().items():
            self.artifact.labels(kind, version).set(1)

    def text(self) -> bytes:
        """All metrics as Prometheus reads them."""
        return generate_latest(self.registry)
