"""`streamrank topics create|list|repair`."""

from __future__ import annotations

import click

from streams.cli.common import echo_json, json_option, run


@click.group()
def command() -> None:
    """Make or list the topics.

    \b
    Example: streamrank topics create
    """


@command.command()
@json_option
def create(as_json: bool) -> None:
    """Make the topics that are missing, and leave those that exist as they are.

    \b
    Example: STREAMRANK_PARTITIONS=16 streamrank topics create
    """
    from streams.kafka.admin import create_topics
    from streams.settings import load

    made = run(create_topics(load()))
    if as_json:
        echo_json({"created": [{"topic": spec.name, "partitions": spec.partitions} for spec in made]})
        return
    for spec in made:
        click.echo(f"created {spec.name} with {spec.partitions} partition{'s' * (spec.partitions != 1)}")
    if not made:
        click.echo("all topics exist")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the topics with their policies. Exit code 1: one is missing or differs.

    \b
    Example: streamrank topics list --json
    """
    from streams.kafka.topic_states import topic_states
    from streams.settings import load

    states = run(topic_states(load()))
    if as_json:
        echo_json([
            {"topic": state.spec.name, "key": state.spec.key, "partitions": state.partitions,
             "policy": state.policy, "wrong": list(state.wrong), "risks": list(state.risks)}
            for state in states
        ])  # fmt: skip
    else:
        from streams.cli.tables import console, topic_table

        console().print(topic_table(states))
    if any(state.wrong for state in states):
        raise click.exceptions.Exit(1)


@command.command()
@json_option
def repair(as_json: bool) -> None:
    """Publish good records in place of those of the broadcast topics that no worker can use.

    Items, rules and weights are made anew from what they come from; what comes from nothing is taken away. Workers take
    the new records at once. `streamrank doctor` shows what would be repaired.

    \b
    Example: streamrank topics repair
    """
    from streams.lookup.broadcast_records import repair as repair_records
    from streams.settings import load

    done = run(repair_records(load()))
    if as_json:
        echo_json(done)
        return
    for one in done:
        how = "made anew" if one.by == "source" else "taken away"
        click.echo(f"{one.topic} {one.key}: {how} ({one.reason})")
    if not done:
        click.echo("every record can be used")
