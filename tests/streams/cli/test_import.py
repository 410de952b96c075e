"""`streamrank import table` and `publish` of tables: what they write, show, refuse and end with."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streamrank_client.events import Click, Item, decode_event
from streamrank_client.following import following, records
from streams.cli import main
from streams.cli.table_import import FORMATS
from streams.kafka.admin import create_topics
from streams.offline.importers.table.formats.registry import FORMATS as REGISTERED
from streams.settings import Settings
from tests.support.servers import Broker

SHOP = "SKU;Name;price\np1;Tea;2,50\np2;Cup;3.9\n;Nameless;1\np4;Pot;4\n"
IMPORT = ("import", "table", "shop.csv", "-o", "x.jsonl")
MAPPED = ("--as", "item", "--map", "item_id=SKU,title=Name", "--decimal", ",", "--time", "2026-03-01")


def call(*arguments: str, env: dict[str, str] | None = None) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, arguments, env=env, catch_exceptions=False)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A table with two rows that cannot be used."""
    path = tmp_path / "shop.csv"
    path.write_text(SHOP)
    return path


def test_the_formats_are_those_of_the_library() -> None:
    """What is spelled twice so that --help stays fast is spelled the same."""
    assert tuple(REGISTERED) == FORMATS


def test_good_rows_are_written_and_the_others_told_with_exit_code_1(shop: Path) -> None:
    """The log holds what could be used; rows are named by number, field, column, value and remedy."""
    log = shop.with_name("shop.jsonl")
    result = call("import", "table", str(shop), "-o", str(log), *MAPPED)
    assert result.exit_code == 1
    assert [decode_event(line) for line in log.read_bytes().splitlines()] == [
        Item(item_id="p1", time=1_772_323_200_000, title="Tea", price=2.5),
        Item(item_id="p4", time=1_772_323_200_000, title="Pot", price=4),
    ]
    lines = result.stdout.splitlines()
    assert lines[0] == f"{log}: 2 item events"
    assert "shop.csv: read as utf-8 with the delimiter ';'" in lines
    assert "refused: 2 rows (price 1, item_id 1)" in lines
    assert "  shop.csv row 3: price: '3.9' is no number with the decimal sign ',': --decimal . reads it" in lines
    assert any(line.startswith("  shop.csv row 4: item_id (SKU): required, but missing") for line in lines)


def test_a_table_without_faults_ends_with_0_and_a_bar(shop: Path) -> None:
    """Progress goes to stderr: stdout is the command's."""
    shop.write_text("item_id,title\np1,Tea\n")
    result = call("import", "table", str(shop), "-o", str(shop.with_name("shop.jsonl.gz")), "--as", "item")
    assert result.exit_code == 0
    assert "1 item event" in result.stdout
    assert "shop.csv" in result.stderr


def test_a_dry_run_shows_events_and_writes_nothing(shop: Path) -> None:
    """The first rows as events, what would be refused, and the exit code of a real run."""
    result = call("import", "table", str(shop), "--dry-run", *MAPPED)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert json.loads(lines[0]) == {
        "event": "item", "time": 1_772_323_200_000, "item_id": "p1", "title": "Tea", "price": 2.5
    }  # fmt: skip
    assert lines[2] == "would be: 2 item events"
    assert "refused: 2 rows (price 1, item_id 1)" in lines
    assert [path.name for path in shop.parent.iterdir()] == ["shop.csv"]


def test_json_has_counts_refusals_and_first_events(shop: Path) -> None:
    """For programs, without a bar."""
    shown = call("import", "table", str(shop), "--dry-run", "--json", *MAPPED)
    told = json.loads(shown.stdout)
    assert shown.stderr == ""
    assert told["events"] == {"item": 2}
    assert told["refused"] == 2
    assert told["refused_by_field"] == {"price": 1, "item_id": 1}
    assert told["refusals"][0] | {"message": ""} == {
        "file": "shop.csv", "row": 3, "field": "price", "column": "price", "message": ""
    }  # fmt: skip
    assert [event["item_id"] for event in told["first"]] == ["p1", "p4"]


def test_only_the_first_refusals_are_listed(shop: Path) -> None:
    """A file in a wrong notation does not fill the screen; all are counted."""
    shop.write_text("item_id,price\n" + "".join(f"p{n},free\n" for n in range(500)))
    result = call("import", "table", str(shop), "-o", str(shop.with_name("x.jsonl")), "--as", "item")
    assert result.exit_code == 1
    assert "no events: nothing was written" in result.stdout
    assert "refused: 500 rows (price 500)" in result.stdout
    assert "… and 490 more" in result.stdout
    assert len(result.stdout.splitlines()) < 16
    assert not shop.with_name("x.jsonl").exists()


def test_the_most_frequent_reasons_for_leaving_out_are_listed(shop: Path) -> None:
    """An analytics export has many events that are none of ours."""
    lines = [{"event_name": f"e{n}", "event_timestamp": "1", "user_pseudo_id": "u"} for n in range(14)]
    path = shop.with_name("events.json")
    path.write_text("\n".join(map(json.dumps, [lines[3], *lines])))
    result = call("import", "table", str(path), "--dry-run", "--format", "ga4")
    assert "left out: 2 × event e3" in result.stdout
    assert "left out for 4 other reasons: --json has all" in result.stdout
    told = json.loads(call("import", "table", str(path), "--dry-run", "--json", "--format", "ga4").stdout)
    assert len(told["left_out"]) == 14


def test_a_log_that_was_there_stays_where_nothing_can_be_read(shop: Path) -> None:
    """A file that breaks off in its middle leaves the log of yesterday whole."""
    log = shop.with_name("shop.jsonl")
    log.write_text("yesterday\n")
    broken = shop.with_name("feed.xml")
    broken.write_text("<rss><item><id>1</id></item><item>")
    result = call("import", "table", str(broken), "-o", str(log), "--format", "google-merchant")
    assert result.exit_code == 2
    assert "broken XML after row 1" in result.stderr
    assert log.read_text() == "yesterday\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["import", "nothing"], "'nothing' is none of table, complete-journey"),
        (["import", "table", "shop.csv", "--as", "item"], "the log to be written (or --dry-run)"),
        ([*IMPORT], "--as: say what a row is"),
        ([*IMPORT, "--as", "item", "--delimiter", "::"], "expected one character"),
        ([*IMPORT, "--as", "item", "--timezone", "Mars/Base"], "no such time zone"),
        ([*IMPORT, "--as", "item", "--time-format", "iso8601"], "expected iso, s,"),
        ([*IMPORT, "--as", "item", "--time", "soon"], "'soon': expected Unix"),
        (["import", "table", "shop.csv", "-o", "x.csv", "--as", "item"], "name ends with .jsonl or .jsonl.gz"),
        (["publish", "shop.csv"], "for a table say --as item, or --format"),
        (["publish", "a.jsonl", "b.jsonl"], "several files, or --dry-run, are for tables"),
        (["publish", "a.jsonl", "--dry-run"], "several files, or --dry-run, are for tables"),
    ],
)  # fmt: skip
def test_wrong_options_are_told_with_exit_code_2(
    shop: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    """The option, its value and the remedy; no traceback."""
    shop.write_text("item_id\np1\n")
    monkeypatch.chdir(shop.parent)
    result = call(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr


async def test_tables_are_published_as_a_log_is(broker: Broker, tmp_path: Path) -> None:
    """Items and clicks arrive on their topics; a row that cannot be used is told, and the exit code is 1."""
    settings = Settings(
        kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=2, fetch_wait_ms=10 if broker.tansu else 200
    )
    await create_topics(settings)
    env = {
        "STREAMRANK_KAFKA": broker.kafka, "STREAMRANK_TOPIC_PREFIX": broker.prefix + "-", "STREAMRANK_PARTITIONS": "2",
    }  # fmt: skip
    (tmp_path / "items.csv").write_text(SHOP)
    (tmp_path / "clicks.jsonl").write_text(
        '{"who":"u1","what":"p1","at":1772366400}\n{"who":"u1","what":"p4","at":1772366300}\n'
    )
    items = await asyncio.to_thread(
        call, "publish", str(tmp_path / "items.csv"), "--no-wait", "--json", *MAPPED, env=env
    )
    assert items.exit_code == 1
    told = json.loads(items.stdout)
    assert (told["items"], told["tables"]["refused"]) == (2, 2)
    clicks = await asyncio.to_thread(
        call, "publish", str(tmp_path / "clicks.jsonl"), "--as", "click", "--time-format", "s",
        "--map", "user_id=who,item_id=what,time=at", env=env,
    )  # fmt: skip
    assert clicks.exit_code == 0, clicks.output
    assert "0 items, 2 behaviour events and 0 queries published" in clicks.stdout
    found: list[object] = []
    names = (settings.topic_prefix + "item-events", settings.topic_prefix + "behavior-events")
    async with following(settings, *names, from_start=True) as consumer, asyncio.timeout(30):
        async for record in records(consumer):
            found.append(decode_event(record.value))
            if len(found) == 4:
                break
    assert {event.item_id for event in found if isinstance(event, Item)} == {"p1", "p4"}
    assert [event.item_id for event in found if isinstance(event, Click)] == ["p4", "p1"]


def test_a_dry_run_of_publish_needs_no_kafka(shop: Path) -> None:
    """It shows what would be published."""
    result = call("publish", str(shop), "--dry-run", *MAPPED, env={"STREAMRANK_KAFKA": "127.0.0.1:1"})
    assert result.exit_code == 1
    assert "would be: 2 item events" in result.stdout
