"""A gateway without Kafka: whatever it refuses, it refuses before it asks Kafka anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from streamrank_client.client import Client
from streams.gateway.app import Gateway
from streams.gateway.signed import Claims, sign
from streams.gateway.tokens import tokens_of
from streams.settings import Settings

KEY: Final = "k" * 32
Calls: TypeAlias = TestClient[Request, Application]
Opened: TypeAlias = Callable[..., AbstractAsyncContextManager[Calls]]


def user_token(user_id: str = "u1", scope: str = "publish ask") -> str:
    """A signed token."""
    return sign(Claims(sub=user_id, exp=9e9, scope=scope), KEY)


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """One token for each scope, of its name, six times over, and a signing key."""
    path = tmp_path / "tokens.toml"
    scopes = ("publish", "ask", "operate")
    lines = [f'[tokens.{scope}]\ntoken = "{scope * 6}"\nscopes = ["{scope}"]\n' for scope in scopes]
    path.write_text(f'signing_keys = ["{KEY}"]\n' + "".join(lines))
    return path


@pytest.fixture
def opened() -> Opened:
    """Opens a gateway with settings, for calls."""

    @asynccontextmanager
    async def serving(**settings: object) -> AsyncIterator[Calls]:
        found = Settings(**settings)  # type: ignore[arg-type]
        gateway = Gateway(found, Client(settings=found), tokens_of(found))
        async with TestClient(TestServer(gateway.app)) as calls:
            yield calls
            await gateway.stop()

    return serving
