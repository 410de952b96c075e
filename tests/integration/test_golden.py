"""Golden replay: equal answers from equal logs, and the contexts that real Kafka and Redis end with."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from bench.servers import RealKafka, RealRedis
from streamrank_client.answers import decode_answer
from streams.cli import main
from streams.kafka.admin import create_topics
from streams.offline.replay import replay
from streams.settings import variable
from tests.support.servers import flush
from tests.support.small_log import Size, lines, log
from tests.support.worker_process import deployment, publish_lines, serving, settled, stored

SIZE = Size(behaviors=1_200, queries=60)


@pytest.fixture(scope="module")
def raw() -> list[bytes]:
    """The log's lines."""
    return log(SIZE)


def run(*arguments: str) -> Result:
    """The command, its output and exit code."""
    return CliRunner().invoke(main, ["replay", *arguments])


def test_two_replays_on_fresh_states_give_equal_answers(
    raw: list[bytes], tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two servers, byte for byte: exit 0; an altered golden exits with 1, naming the difference; an unreadable
    one, or log, with 2."""
    for name, value in (("partitions", "4"), ("device", "cpu")):
        monkeypatch.setenv(variable(name), value)
    recorded, golden = tmp_path / "log.jsonl.gz", tmp_path / "golden.jsonl"
    plain = tmp_path / "log.jsonl"
    plain.write_bytes(b"\n".join(raw) + b"\n")
    made = run(str(plain), "--answers", str(golden))
    assert made.exit_code == 0, made.output
    answers = [decode_answer(line) for line in golden.read_bytes().splitlines()]
    assert len(answers) == SIZE.queries
    assert sum(bool(answer.items) for answer in answers) > SIZE.queries * 0.9
    assert any(answer.weights_version for answer in answers), "the log's clicks on answers are learnt from"

    same = run(str(plain), "--expect", str(golden), "--redis", redis_url)
    assert same.exit_code == 0, same.output
    assert "equal to the golden file" in same.output

    altered = golden.read_bytes().splitlines()
    answer = msgspec.json.decode(altered[20])
    answer["items"][0]["score"] += 1e-6
    altered[20] = msgspec.json.encode(answer)
    golden.write_bytes(b"\n".join(altered) + b"\n")
    flush(redis_url)
    different = run(str(plain), "--expect", str(golden), "--redis", redis_url)
    assert different.exit_code == 1
    assert "line 21" in different.output
    assert "items[0].score" in different.output

    golden.write_bytes(b"\x1f\x8b broken")
    unreadable = golden.rename(tmp_path / "golden.jsonl.gz")
    assert run(str(plain), "--expect", str(unreadable)).exit_code == 2
    assert run(str(recorded)).exit_code == 2


async def test_real_kafka_and_redis_end_with_the_replays_contexts(
    raw: list[bytes], kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """The same log published and served: contexts, event ids and places equal a replay's, byte for byte."""
    settings = deployment(kafka, redis_server, topic_prefix, 6)
    await create_topics(settings)
    async with serving(settings):
        await publish_lines(raw, settings, tmp_path)
        await settled(settings)
    smooth = redis_server.redis.rsplit("/", 1)[0] + "/7"
    flush(smooth)
    await replay(lines(raw), settings, smooth)
    for pattern in ("ctx:*", "ids:*", "wm:*behavior-events"):
        served = stored(settings.redis, pattern)
        assert served
        assert served == stored(smooth, pattern)
