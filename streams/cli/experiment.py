"""`streamrank experiment NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.cli.common import echo_json, json_option, moment, run

if TYPE_CHECKING:
    from streams.offline.experiments.joining import Join
    from streams.policy.experiment_file import Experiment
    from streams.settings import Settings

#: models.experiments.comparison.METRICS, spelled here so that --help does not import numpy; a test compares them
METRICS = ("ctr", "ctr_item", "purchases_per_answer", "conversion", "dwell_per_click")


@click.command()
@click.argument("name")
@click.option("--config", type=click.Path(dir_okay=False), help="Its TOML file; default: STREAMRANK_EXPERIMENT.")
@click.option("--since", help="Only answers from then on: Unix milliseconds, or a date.")
@click.option("--until", help="Only answers before then.")
@click.option(
    "--primary", type=click.Choice(METRICS), default="ctr", show_default=True, help="The metric that decides."
)
@click.option("--control", help="The arm to compare with; default: that of the file, else `control`.")
@click.option("--answers", type=click.Path(dir_okay=False), help="Answers from a file (`replay --answers`), not Kafka.")
@click.option("--events", type=click.Path(dir_okay=False), help="Behaviour from a file: the log that was replayed.")
@json_option
def command(
    name: str,
    config: str | None,
    since: str | None,
    until: str | None,
    primary: str,
    control: str | None,
    answers: str | None,
    events: str | None,
    as_json: bool,
) -> None:
    """Report what the arms of an experiment did: rates with intervals, differences to the control, and a sample-ratio
    check.

    Reads the answers, and the behaviour that names them, from Kafka (from the oldest record on) or from two files.
    Exit code 1: the sample ratio is wrong, so nothing can be concluded.

    \b
    Example: streamrank experiment diverse-home --config home.toml --since 2026-03-01
    """
    from streams.offline.experiments.joining import Join
    from streams.offline.experiments.report import plain, report
    from streams.settings import load

    if (answers is None) != (events is None):
        raise click.UsageError("--answers and --events belong together: give both, or none to read from Kafka")
    settings = load()
    known = _experiment(name, config, settings)
    ends = moment(since, "--since"), moment(until, "--until")
    join = Join(name, int(settings.join_hours * 3_600_000), ends[0] or 0, ends[1], int(settings.skew_seconds * 1_000))
    _read(join, settings, answers, events, as_json)
    compared_with = control or (known.control if known else "control")
    found = report(join, compared_with, known.shares if known else None, primary)
    if as_json:
        echo_json(plain(found))
    else:
        from streams.cli.experiment_tables import print_report
        from streams.cli.tables import console

        print_report(found, console())
    if found.sample_ratio is not None and found.sample_ratio.alarm:
        raise click.exceptions.Exit(1)


def _experiment(name: str, config: str | None, settings: Settings) -> Experiment | None:
    """The experiment's file, where one is named; raises SettingsError when it is another experiment's."""
    from streamrank_client.errors import SettingsError
    from streams.policy.experiment_file import load_experiment
    from streams.settings import variable

    path = config or settings.experiment
    if not path:
        return None
    known = load_experiment(path, settings)
    if known.name == name:
        return known
    if config is None:
        # the workers' present experiment; the one asked for may be over
        click.echo(f"{variable('experiment')} is of {known.name!r}, not of {name!r}: shares unknown", err=True)
        return None
    raise SettingsError(f"{path}: name = {known.name!r}: it is not {name!r}; name the other file, or that experiment")


def _read(join: Join, settings: Settings, answers: str | None, events: str | None, quiet: bool) -> None:
    from streams.cli.progress import stages
    from streams.offline.experiments.reading import read_files, read_topics

    if answers is not None and events is not None:
        read_files(answers, events, join)
        return
    with stages(quiet=quiet) as show:
        run(read_topics(settings, join, lambda done, total: show("partitions", done, total)))
