"""`streamrank event KIND`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.cli.common import echo_json, json_option, names, run

if TYPE_CHECKING:
    from streams.events import Behavior, Place

#: streams.routing.BEHAVIORS, spelled here so that --help does not import it; a test compares them
KINDS = ("impression", "view", "click", "add_to_cart", "purchase", "rating", "dislike", "dwell")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--user", "user_id", required=True, help="User id.")
@click.option("--item", "item_id", help="Item id (every kind but impression).")
@click.option("--items", help="Item ids that were seen, in order, comma separated (impression).")
@click.option("--request", "request_id", help="Request id of the answer that it came from.")
@click.option("--position", type=int, help="Place in that answer, from 0.")
@click.option("--query", help="Text of the query that it followed.")
@click.option("--quantity", type=int, help="How many (add_to_cart, purchase).")
@click.option("--price", type=float, help="Price per unit (purchase).")
@click.option("--basket", "basket_id", help="Id of the order (purchase).")
@click.option("--value", type=float, help="Stars, 0 to 5 (rating).")
@click.option("--milliseconds", type=int, help="How long (dwell).")
@click.option("--event-id", help="Id of the event; one that comes again counts once. Default: a fresh one.")
@click.option("--time", type=int, help="When it happened, in Unix ms; default: now.")
@json_option
def command(kind: str, items: str | None, as_json: bool, **fields: object) -> None:
    """Publish one behaviour event; prints its partition and offset.

    \b
    Example: streamrank event click --user u1 --item p1 --request 3f9c2a
    """
    from streams.routing import behavior

    event = behavior(kind, item_ids=names(items) or None, **fields)
    place = run(_publish(event))
    if as_json:
        echo_json({"event_id": event.event_id, "partition": place.partition, "offset": place.offset})
    else:
        click.echo(f"{kind} {event.event_id} at partition {place.partition}, offset {place.offset}")


async def _publish(event: Behavior) -> Place:
    from streams.client import Client

    async with Client() as client:
        return await client.publish(event)
