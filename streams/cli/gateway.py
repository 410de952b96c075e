"""`streamrank gateway`."""

from __future__ import annotations

from dataclasses import replace

import click


@click.command()
@click.option("--sign", metavar="USER", help="Print a signed token of this user for a browser, and end.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True,
              help="How long the signed token holds.")  # fmt: skip
@click.option("--scope", default="publish ask", show_default=True, help="What the signed token may do.")
@click.option("--playground", is_flag=True, help="Serve a page to try it on; for a gateway without tokens.")
def command(sign: str | None, minutes: float, scope: str, playground: bool) -> None:
    """Run the HTTP door: events in, answers out. SIGTERM ends what is being answered, then the gateway.

    \b
    Example: STREAMRANK_KAFKA=k1:9092 streamrank gateway
             STREAMRANK_GATEWAY_TOKENS=tokens.toml streamrank gateway --sign u1 --minutes 15
    """
    from streams.settings import load

    settings = load()
    if sign is not None:
        click.echo(_signed(settings.gateway_tokens, sign, minutes, scope))
        return
    from streams.gateway.playing import Playground
    from streams.gateway.serving import serve
    from streams.offline.importers.table.pasted import read_pasted
    from streams.offline.servers import free_port

    serve(
        settings if settings.gateway_port else replace(settings, gateway_port=free_port()),
        Playground(read_pasted) if playground else None,
    )


def _signed(path: str, user_id: str, minutes: float, scope: str) -> str:
    """A token of a user, signed with the first key of the file of tokens. Raises SettingsError without one."""
    import time
    from pathlib import Path

    from streamrank_client.errors import SettingsError
    from streamrank_client.settings import variable
    from streams.gateway.signed import Claims, sign
    from streams.gateway.tokens import SCOPES, Tokens

    if not path:
        raise SettingsError(f"{variable('gateway_tokens')} is not set: name the file that has the signing_keys")
    wrong = set(scope.split()) - SCOPES
    if wrong or not scope.split():
        raise click.BadParameter(f"{scope!r}: expected some of {' '.join(sorted(SCOPES))}", param_hint="--scope")
    claims = Claims(sub=user_id, exp=float(int(time.time() + 60 * minutes)), scope=" ".join(scope.split()))
    return sign(claims, Tokens(Path(path)).signing_key)
