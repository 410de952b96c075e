"""`python -m bench ingest|query|gateway`: speed on real Kafka and Redis, which they start and end themselves.

`python -m bench intents`: the intent head on public data. `shop-queries`: what real product searches are taken for.
`finetune`: whether an encoder learns from a log. `robustness`: what typing errors cost. `relevance`: search before any
behaviour, on judged searches. `position-bias`: a simulation of what correcting clicks for it pays. `rankers`: the
ranker against LightGBM. `retraining`: from how many choices on it pays. `kept`: our own code beside libraries.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import click
import uvloop

from bench import gateway as gateway_bench
from bench import ingest as ingest_bench
from bench import query as query_bench
from bench.servers import missing, missing_kafka
from models.base.threads import one_thread


@click.group()
def main() -> None:
    """Measure streamrank."""
    one_thread()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its errors come as exceptions too


def _need_servers() -> None:
    reason = missing()
    if reason is not None:
        raise click.ClickException(reason)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _show(figures: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    click.echo(json.dumps(figures, ensure_ascii=False) if as_json else "\n".join(lines))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--events", default=ingest_bench.EVENTS, show_default=True, help="Purchases of the log.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each contestant, in alternation.")
def ingest(as_json: bool, events: int, rounds: int) -> None:
    """A purchase log until everything is stored and committed, beside stock Faust agents.

    Example: python -m bench ingest --json
    """
    _need_servers()
    figures = uvloop.run(ingest_bench.measure(events, rounds, _say))
    _show(figures, as_json, ingest_bench.table(figures))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--events", default=query_bench.EVENTS, show_default=True, help="Purchases ingested before.")
@click.option("--profile", type=click.Path(dir_okay=False, resolve_path=True), help="pyinstrument's report.")
def query(as_json: bool, events: int, profile: str | None) -> None:
    """Latency of search, feed and rerank beside a bare echo, and answers a second.

    Example: python -m bench query --json
    """
    _need_servers()
    figures = uvloop.run(query_bench.measure(events, None, _say, profile))
    _show(figures, as_json, query_bench.table(figures))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--seconds", default=gateway_bench.Amounts().seconds, show_default=True, help="Of posts of each kind.")
@click.option("--queries", default=gateway_bench.Amounts().queries, show_default=True, help="Queries each way.")
def gateway(as_json: bool, seconds: float, queries: int) -> None:
    """What HTTP adds to a query, and posts a second, one by one and in batches.

    Example: python -m bench gateway --json
    """
    reason = missing_kafka()
    if reason is not None:
        raise click.ClickException(reason)
    amounts = gateway_bench.Amounts(queries=queries, seconds=seconds)
    figures = uvloop.run(gateway_bench.measure(amounts, _say))
    _show(figures, as_json, gateway_bench.table(figures))


@main.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def intents(data: Path, as_json: bool) -> None:
    """The intent head on BANKING77 and CLINC150, which lie in DATA as banking77/ and clinc150/.

    Example: python -m bench intents ../shared/data --json
    """
    from bench import intents as intents_bench

    figures = intents_bench.measure(data, _say)
    _show(figures, as_json, intents_bench.table(figures))


@main.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def relevance(data: Path, as_json: bool) -> None:
    """Search before any behaviour, beside BM25 and encoders; DATA is the folder of the judged searches.

    Example: python -m bench relevance ../shared/data/search_relevance --json
    """
    from bench import relevance as relevance_bench

    figures = relevance_bench.measure(data, _say)
    _show(figures, as_json, relevance_bench.table(figures))


@main.command("shop-queries")
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def shop_queries(data: Path, as_json: bool) -> None:
    """What real product searches are taken for; DATA holds search_relevance/ and bestbuy_acm/.

    Example: python -m bench shop-queries ../shared/data --json
    """
    from bench import shop_queries as shop_queries_bench

    figures = shop_queries_bench.measure(data, _say)
    _show({name: one._asdict() for name, one in figures.items()}, as_json, shop_queries_bench.table(figures))


@main.command("position-bias")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--worlds", default="8", type=click.Choice(["4", "8", "20"]), show_default=True)
@click.option("--lists", default=2_000, show_default=True, help="Lists shown and learnt from in each world.")
def position_bias(as_json: bool, worlds: str, lists: int) -> None:
    """NDCG@10 of the online ranker with position bias ignored, corrected, and known.

    Example: python -m bench position-bias --json
    """
    from bench import position_bias as position_bias_bench

    figures = position_bias_bench.measure(int(worlds), lists)
    _show(figures, as_json, position_bias_bench.table(figures))


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--epochs", default=1, show_default=True, help="Times that the first half is read.")
@click.option("--tests", default=2_000, show_default=True, help="Searches of the second half that judge.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def finetune(folder: Path, log: Path, epochs: int, tests: int, as_json: bool) -> None:
    """An encoder's checkpoint FOLDER, fine-tuned on the first half of LOG, before and after, on its second half.

    Example: python -m bench finetune minilm/ best-buy.jsonl.gz --json
    """
    from bench import finetune as finetune_bench

    figures = finetune_bench.measure(folder, log, epochs, tests, _say)
    _show(figures, as_json, finetune_bench.table(figures))


@main.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--tests", default=1_000, show_default=True, help="Searches that are asked.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def robustness(data: Path, tests: int, as_json: bool) -> None:
    """Intent and search under one and two random edits of the text; DATA holds bestbuy_acm/.

    Example: python -m bench robustness ../shared/data --json
    """
    from bench import robustness as robustness_bench

    figures = robustness_bench.measure(data, tests, _say)
    _show(figures, as_json, robustness_bench.table(figures))


@main.command()
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--task", type=click.Choice(["unseen", "repeat", "all"]), default="unseen", show_default=True)
@click.option("--lists", default=8_000, show_default=True, help="Lists of the first half to train on, at most.")
@click.option("--tests", default=3_000, show_default=True, help="Events of the second half that judge, at most.")
@click.option("--seeds", default=3, show_default=True, help="Trainings of each ranker.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rankers(log: Path, task: str, lists: int, tests: int, seeds: int, as_json: bool) -> None:
    """The ranker and LightGBM (lambdarank), trained on the same lists of LOG's first half, judged on its second.

    Example: python -m bench rankers ml.jsonl.gz --json
    """
    from bench import rankers as rankers_bench

    figures = rankers_bench.measure(log, task, lists, tests, seeds, _say)
    _show(figures, as_json, rankers_bench.table(figures))


@main.command()
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--task", type=click.Choice(["unseen", "repeat", "all"]), default="unseen", show_default=True)
@click.option("--lists", default=8_000, show_default=True, help="Lists of the first half that are shown, at most.")
@click.option("--tests", default=3_000, show_default=True, help="Events of the second half that judge, at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def retraining(log: Path, task: str, lists: int, tests: int, as_json: bool) -> None:
    """What follows the ranker in place after so many choices from its lists, judged on LOG's second half.

    Example: python -m bench retraining ml.jsonl.gz --json
    """
    from bench import retraining as retraining_bench

    figures = retraining_bench.measure(log, task, lists, tests, _say)
    _show(figures, as_json, retraining_bench.table(figures))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def kept(as_json: bool) -> None:
    """What of our own is kept beside a library that does the same, and why: processor time of both.

    Example: python -m bench kept --json
    """
    from bench import kept as kept_bench

    figures = kept_bench.measure()
    _show(figures, as_json, kept_bench.table(figures))


if __name__ == "__main__":
    main()
