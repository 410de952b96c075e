"""`streamrank event KIND`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streamrank_client.vocabulary import CODE
from streams.cli.common import echo_json, json_option, moment, names, run

if TYPE_CHECKING:
    from streamrank_client.events import Event
    from streamrank_client.fields import Place

#: what the shop says of its lists
RULES = ("rule", "delete_rule")
#: what joins a visitor to a user
IDENTIFY = "identify"


@click.command()
@click.argument("kind", type=click.Choice([*CODE, IDENTIFY, *RULES]))
@click.option("--user", "user_id", help="User id (every kind but rules).")
@click.option("--anonymous", "anonymous_id", help="Id that the user had before the login (identify).")
@click.option("--item", "item_id", help="Item id (every kind but impression and identify).")
@click.option("--items", help="Item ids, comma separated: those seen, in order (impression), or concerned (rule).")
@click.option("--request", "request_id", help="Request id of the answer that it came from.")
@click.option("--position", type=int, help="Place in that answer, or of the first pinned item, from 0.")
@click.option("--query", help="Text of the query that it followed.")
@click.option("--quantity", type=int, help="How many (add_to_cart, purchase).")
@click.option("--price", type=float, help="Price per unit (purchase).")
@click.option("--basket", "basket_id", help="Id of the order (purchase).")
@click.option("--value", type=float, help="Stars, 0 to 5 (rating).")
@click.option("--milliseconds", type=int, help="How long (dwell).")
@click.option("--rule", "rule_id", help="Rule id (rule, delete_rule).")
@click.option("--action", type=click.Choice(["pin", "bury", "hide"]), help="What a rule does.")
@click.option("--category", help="Categories to bury or hide, comma separated (rule).")
@click.option("--brand", help="Brands to bury or hide, comma separated (rule).")
@click.option("--surfaces", help="Surfaces on which a rule holds, comma separated; default: all.")
@click.option("--text", help="Query text for which a rule holds; default: any.")
@click.option("--match", type=click.Choice(["equal", "words"]), help="Match the whole text, or all its words (rule).")
@click.option("--valid-from", help="From when a rule holds: Unix ms, or an ISO date or time.")
@click.option("--valid-to", help="Until when a rule holds; that moment is not included.")
@click.option("--event-id", help="Id of the event; one that comes again counts once. Default: a fresh one.")
@click.option("--time", type=int, help="When it happened, in Unix ms; default: now.")
@json_option
def command(kind: str, user_id: str | None, items: str | None, as_json: bool, **fields: object) -> None:
    """Publish one behaviour or rule event, and print its partition and offset.

    \b
    Example: streamrank event click --user u1 --item p1 --request 3f9c2a
             streamrank event rule --rule tea --action pin --items p1 --text "red tea"
    """
    from streamrank_client.making import behavior, identify, rule

    fields |= {name: _list(fields[name]) for name in ("category", "brand", "surfaces")}
    fields |= {name: _moment(name, fields[name]) for name in ("valid_from", "valid_to")}
    item_ids = names(items) or None
    if kind in RULES:
        if user_id is not None:
            raise click.UsageError("a rule is nobody's own: leave '--user' out")
        event: Event = rule(kind, item_ids=item_ids, **fields)
    else:
        if user_id is None:
            raise click.UsageError("Missing option '--user'.")
        given = {"user_id": user_id, "item_ids": item_ids, **fields}
        event = identify(**given) if kind == IDENTIFY else behavior(kind, **given)
    name = "rule_id" if kind in RULES else "event_id"
    place = run(_publish(event))
    if as_json:
        echo_json({name: getattr(event, name), "partition": place.partition, "offset": place.offset})
    else:
        click.echo(f"{kind} {getattr(event, name)} at partition {place.partition}, offset {place.offset}")


def _list(text: object) -> list[str] | None:
    return names(text) or None if isinstance(text, str) else None


def _moment(name: str, text: object) -> int | None:
    return moment(text, "--" + name.replace("_", "-")) if isinstance(text, str) else None


async def _publish(event: Event) -> Place:
    from streamrank_client.client import Client

    async with Client() as client:
        return await client.publish(event)
