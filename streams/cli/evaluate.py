"""`streamrank evaluate LOG`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from state.addresses import another_database
from streamrank_client.vocabulary import FINDING
from streams.cli.common import echo_json, json_option, moment, names, redis_option, run

if TYPE_CHECKING:
    from models.evaluate.report import EvaluationReport
    from streams.offline.evaluation.evaluation import Options

#: models.evaluate.sample.TASKS, spelled here so that --help does not import the models; a test compares them
TASKS = ("unseen", "repeat", "all")


@click.command()
@click.argument("log", type=click.Path(dir_okay=False))
@click.option("--task", type=click.Choice(TASKS), default="unseen", show_default=True, help="What is tested.")
@click.option("--surface", type=click.Choice(FINDING), help="Test only this; default: search with a text, else home.")
@click.option("--tests", type=click.IntRange(1), default=5_000, show_default=True, help="Test at most so many events.")
@click.option("--until", help="Leave out what is later: Unix milliseconds, or a date.")
@click.option("--compare", help="Baselines, comma separated; `none` for none.")
@click.option("--seed", default=0, show_default=True, help="Seed of the sample and of the intervals.")
@click.option("--train", is_flag=True, help="Train the ranker on the first half, and again every tenth (extra train).")
@click.option(
    "--lists", type=click.IntRange(100), default=15_000, show_default=True, help="Train on at most so many lists."
)
@click.option(
    "--drill",
    metavar="SOURCE,…|tastes",
    help="Let sources die, or tastes turn over, at three quarters of the log: figures before and after, and alarms.",
)
@click.option("--plot", type=click.Path(dir_okay=False), help="Draw NDCG@10 over time here (.svg).")
@click.option("--off-policy", is_flag=True, help="Estimate what the ranker in place would have earned.")
@click.option("--clip", type=click.FloatRange(1), default=100.0, show_default=True, help="Cut weights (--off-policy).")
@redis_option
@json_option
def command(
    log: str,
    task: str,
    surface: str | None,
    tests: int,
    until: str | None,
    compare: str | None,
    seed: int,
    train: bool,
    lists: int,
    drill: str | None,
    plot: str | None,
    off_policy: bool,
    clip: float,
    redis: str | None,
    as_json: bool,
) -> None:
    """Rank a log's choices before learning from them, and compare with baselines.

    A sample of the choices in the log's second half is tested: the handlers are asked for each one before they get
    it. `unseen` leaves out what the user already had, `repeat` ranks only that.

    With --off-policy the log must hold the answers that were given, explored ones too. From their propensities it
    estimates what the ranker in place would have earned (IPS, SNIPS, doubly robust).

    \b
    Example: streamrank evaluate shop.jsonl.gz --task unseen --compare knn,frozen
    """
    from models.base.threads import one_thread

    one_thread()
    if off_policy:
        _off_policy(log, redis, clip, as_json)
        return
    from streams.offline.evaluation.evaluation import Options

    chosen = None if compare is None else tuple(n for n in names(compare) if n != "none")
    options = Options(
        task, surface, tests, seed, moment(until, "--until"), chosen, train=train, lists=lists, drill=drill
    )
    found = _evaluate(log, redis, options, as_json)
    if plot is not None:
        _draw(found, plot)
    if as_json:
        echo_json(found)
        return
    from streams.cli.evaluation_tables import tables
    from streams.cli.tables import console

    for table in tables(found):
        console().print(table)


def _evaluate(log: str, redis: str | None, options: Options, quiet: bool) -> EvaluationReport:
    from streamrank_client.logs import input_lines
    from streams.cli.progress import stages
    from streams.offline.evaluation.drills import dying
    from streams.offline.evaluation.evaluation import check, evaluate
    from streams.settings import load

    settings = load()
    check(options)
    lines = list(input_lines(log))
    with ExitStack() as stack:
        redis = redis or _embedded(stack)
        from streams.artifacts.opening import open_models
        from streams.policy.choice import PlanChoice

        experiment = PlanChoice.of(settings).experiment
        progress = stack.enter_context(stages(quiet=quiet))
        databases = _databases(redis)
        again = open_models(settings, experiment) if dying(options.drill) else None
        work = evaluate(log, lines, settings, open_models(settings, experiment), databases, options, progress, again)
        return run(work)


def _draw(found: EvaluationReport, path: str) -> None:
    from pathlib import Path

    from streams.offline.evaluation.plot import plot

    try:
        Path(path).write_text(plot(found), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"'{path}' cannot be written: {error.strerror}: name another file") from error


def _off_policy(log: str, redis: str | None, clip: float, as_json: bool) -> None:
    from streamrank_client.logs import read_lines
    from streams.cli.progress import stages
    from streams.offline.evaluation.counterfactual import off_policy
    from streams.settings import load

    settings = load()
    lines = list(read_lines(log))
    with ExitStack() as stack:
        redis = redis or _embedded(stack)
        show = stack.enter_context(stages(quiet=as_json))
        show("replay", 0, len(lines))
        found = run(off_policy(log, lines, settings, redis, clip, lambda done: show("replay", done, len(lines))))
        show("replay", len(lines), len(lines))
    if as_json:
        echo_json(found)
        return
    from streams.cli.evaluation_tables import off_policy_table
    from streams.cli.tables import console

    console().print(off_policy_table(found))
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)


def _embedded(stack: ExitStack) -> str:
    """The URL of an embedded Valkey that lives as long as ``stack``."""
    from streams.offline.servers import EmbeddedRedis

    return stack.enter_context(EmbeddedRedis()).redis


def _databases(redis: str) -> tuple[str, str, str]:
    """The URL's database and the two after it."""
    try:
        return redis, another_database(redis, 1), another_database(redis, 2)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--redis") from None
