"""Boards and alarms: what they read is exported with those labels, and every alarm says what is to be done."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from typing import Any, Final

import promql_parser
import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from promql_parser import BinaryExpr, Call, Matcher, MatchOp

from streams.settings import Settings, checkout
from streams.worker.app import Worker
from streams.worker.metrics import Metrics
from streams.worker.series import LATER
from tests.support.promql import OF_TARGETS, Exported, WrongQuery, labels_of, selectors

ROOT: Final = checkout()
COMPOSE: Final = ROOT / "compose"
ROLES: Final = ("ingest", "query", "trainer")
#: what Prometheus itself tells
OF_PROMETHEUS: Final = {"up": OF_TARGETS, "ALERTS": OF_TARGETS | {"alertname", "alertstate", "severity"}}
COMPARISONS: Final = (">", "<", ">=", "<=", "==", "!=")
PARTS: Final = ("**Means.**", "**Look at.**", "**Do.**")

ALARMS: Final[list[dict[str, Any]]] = [
    rule
    for group in yaml.safe_load((COMPOSE / "prometheus" / "alarms.yml").read_text())["groups"]
    for rule in group["rules"]
]
BOARDS: Final[dict[str, dict[str, Any]]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((COMPOSE / "grafana" / "boards").glob("*.json"))
}
#: board, panel, query
QUERIES: Final = [
    (name, panel, target) for name, board in BOARDS.items() for panel in board["panels"] for target in panel["targets"]
]
EVERY_ALARM = pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in ALARMS])
EVERY_QUERY = pytest.mark.parametrize(
    ("panel", "target"), [pytest.param(panel, target, id=f"{name}-{panel['title']}") for name, panel, target in QUERIES]
)
EVERY_BOARD = pytest.mark.parametrize("name", list(BOARDS))


@cache
def exported() -> Exported:
    """The labels of every series that Prometheus holds, by name, those that it adds among them."""
    registry = Metrics().registry
    found: Exported = dict(OF_PROMETHEUS)
    for family in registry.collect():
        for sample in family.samples:
            found[sample.name] = OF_TARGETS | set(sample.labels)
    for metric in registry._collector_to_names:
        if isinstance(metric, MetricWrapperBase):
            labels = OF_TARGETS | set(metric._labelnames)
            found |= dict.fromkeys((metric._name, f"{metric._name}_total"), labels)
            found |= dict.fromkeys((f"{metric._name}_sum", f"{metric._name}_count"), labels)
            found[f"{metric._name}_bucket"] = labels | {"le"}
    kinds = {family.name: family.type for family in registry.collect()}
    return {name: labels for name, labels in found.items() if _is_a_sample(name, kinds)}


def _is_a_sample(name: str, kinds: dict[str, str]) -> bool:
    """Whether a family of that kind has samples of that name."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return name in OF_PROMETHEUS or any(name == family + end for family, kind in kinds.items() for end in endings[kind])


@cache
def series() -> dict[str, list[dict[str, str]]]:
    """The labels of the series that workers of all roles have from their start, by the name of the samples."""
    found: dict[str, list[dict[str, str]]] = {}
    for role in ROLES:
        for family in Worker(Settings(device="cpu"), role).metrics.registry.collect():
            for sample in family.samples:
                found.setdefault(sample.name, []).append(sample.labels | {"role": role, "job": "streamrank"})
    return found


def expression_of(text: str) -> promql_parser.Expr:
    """An expression, with Grafana's variable replaced as Grafana does. Raises ValueError if it does not parse."""
    parsed: promql_parser.Expr = promql_parser.parse(text.replace("$__rate_interval", "5m"))
    return parsed


def matches(matcher: Matcher, labels: dict[str, str]) -> bool:
    """Whether a series with these labels is meant."""
    value = labels.get(matcher.name, "")
    if matcher.op in (MatchOp.Equal, MatchOp.NotEqual):
        return (value == matcher.value) is (matcher.op == MatchOp.Equal)
    return (re.fullmatch(matcher.value, value) is not None) is (matcher.op == MatchOp.Re)


def check_values(expression: promql_parser.Expr) -> None:
    """Each selector of what is there from the start finds something among it."""
    for selector in selectors(expression):
        name = str(selector.name)
        if name in OF_PROMETHEUS or name in LATER:
            continue
        found = series().get(name, [])
        assert [own for own in found if all(matches(m, own) for m in selector.matchers.matchers)], str(selector)


def metrics_of(texts: list[str]) -> set[str]:
    """The names of the samples that expressions read."""
    return {str(selector.name) for text in texts for selector in selectors(expression_of(text))}


@EVERY_ALARM
def test_every_alarm_reads_what_is_exported_and_names_labels_that_it_has(rule: dict[str, Any]) -> None:
    """An expression on a renamed metric or label would never fire."""
    expression = expression_of(rule["expr"])
    labels = labels_of(expression, exported())
    assert labels is not None
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert named <= labels | set(rule["labels"])
    check_values(expression)


@EVERY_ALARM
def test_every_alarm_has_a_condition_a_severity_and_a_time(rule: dict[str, Any]) -> None:
    """An expression without a comparison would always fire."""
    expression = expression_of(rule["expr"])
    if isinstance(expression, BinaryExpr):
        assert str(expression.op) in (*COMPARISONS, "and")
    else:
        assert isinstance(expression, Call)
        assert expression.func.name == "absent"
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "runbook"}
    assert promql_parser.parse_duration(rule.get("for", "1s"))


def test_every_alarm_has_its_section_in_the_runbook_and_every_section_its_alarm() -> None:
    """Who is woken finds what it means, what to look at and what to do; a section of no alarm is never read."""
    page = (ROOT / "docs" / "runbook.md").read_text()
    heads, *sections = re.split(r"^### ", page, flags=re.MULTILINE)
    assert heads.startswith("# ")
    titles = [section.partition("\n")[0] for section in sections]
    assert titles == list(dict.fromkeys(rule["alert"] for rule in ALARMS))
    for section in sections:
        assert [part for part in PARTS if section.count(part) != 1] == [], section[:40]
        assert section.index(PARTS[0]) < section.index(PARTS[1]) < section.index(PARTS[2])
    for rule in ALARMS:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_what_an_alarm_reads_is_on_a_board() -> None:
    """After an alarm somebody wants to see since when."""
    on_boards = metrics_of([target["expr"] for _, _, target in QUERIES])
    assert metrics_of([rule["expr"] for rule in ALARMS]) - on_boards == set()


@EVERY_QUERY
def test_every_query_of_a_board_reads_what_is_exported(panel: dict[str, Any], target: dict[str, Any]) -> None:
    """A panel on a renamed metric stays empty, and a legend on a label that is summed away says nothing."""
    expression = expression_of(target["expr"])
    labels = labels_of(expression, exported())
    assert labels is not None
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels
    check_values(expression)


@EVERY_BOARD
def test_every_board_can_be_read(name: str) -> None:
    """Panels have a title, an explanation, a unit and a place of their own, and any Prometheus can be chosen."""
    board = BOARDS[name]
    assert board["uid"] == f"streamrank-{name}"
    assert [one["name"] for one in board["templating"]["list"] if one["type"] == "datasource"] == ["datasource"]
    for panel in board["panels"]:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = Counter(place for panel in board["panels"] for place in cells(panel["gridPos"]))
    assert max(places.values()) == 1
    assert max(x for x, _ in places) < 24


def cells(place: dict[str, int]) -> list[tuple[int, int]]:
    """The cells of the grid that a panel covers."""
    columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return [(x, y) for x in columns for y in rows]


def test_grafana_and_prometheus_find_what_is_mounted() -> None:
    """Paths in the containers are those of the mounts, and Grafana asks the Prometheus of the compose file."""
    services = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    mounts = {target: source for source, target, *_ in (one.split(":") for one in services["grafana"]["volumes"])}
    provisioning = COMPOSE / mounts["/etc/grafana/provisioning"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "boards.yml").read_text())["providers"]
    boards = COMPOSE / mounts[provider["options"]["path"]]
    assert sorted(path.stem for path in boards.glob("*.json")) == sorted(BOARDS)
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.startswith(provider["options"]["path"] + "/")
    assert (boards / home.rpartition("/")[2]).is_file()
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    assert services["prometheus"]["ports"][0].endswith(":9090")
    config = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text())
    assert "./prometheus:/etc/prometheus:ro" in services["prometheus"]["volumes"]
    assert [(COMPOSE / "prometheus" / name).is_file() for name in config["rule_files"]] == [True]
    assert {services[name]["profiles"][0] for name in ("prometheus", "grafana")} == {"monitoring"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sum(streamrank_eggs_total)", "not exported"),
        ("streamrank_answers", "not exported"),
        ('streamrank_answers_total{topic="a"}', "no label topic"),
        ("sum by (topic) (streamrank_answers_total)", "no label topic"),
        ("sum by (stage) (streamrank_lag) / sum(streamrank_lag)", "never meets"),
        ("histogram_quantile(0.9, sum(rate(streamrank_answer_seconds_bucket[5m])))", "needs the label le"),
    ],
)
def test_a_wrong_expression_is_found(text: str, reason: str) -> None:
    """The checks above see what they are there to see."""
    with pytest.raises(WrongQuery, match=reason):
        labels_of(expression_of(text), exported())


def test_an_expression_that_does_not_parse_or_finds_no_series_is_found() -> None:
    """Also a value that a label never has."""
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        expression_of("sum(rate(streamrank_answers_total[5m])")
    with pytest.raises(AssertionError):
        check_values(expression_of('streamrank_lag{stage="ingest"}'))
