"""Whatever is posted is taken or refused with a reason: never an error of another kind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from hypothesis import example, given
from hypothesis import strategies as st

from streamrank_client.asyncapi import EXAMPLES
from streamrank_client.client import Client
from streamrank_client.events import decode_behavior, decode_item
from streamrank_client.routing import BEHAVIORS, ITEM_TAGS
from streams.gateway.asking import query_of
from streams.gateway.guard import Guard
from streams.gateway.metrics import GatewayMetrics
from streams.gateway.posting import EVENTS, ITEMS, Posting
from streams.gateway.refusals import RefusedRequest, as_response
from streams.gateway.tokens import ANYBODY, Caller
from streams.settings import Settings, checkout

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted({name for example in EXAMPLES.values() for name in example} | {"reply_topic", "x"}))
EXAMPLE = st.sampled_from([EXAMPLES[tag] for tag in (*BEHAVIORS, *ITEM_TAGS, "query")])
CALLERS = st.sampled_from([ANYBODY, Caller("user u1", frozenset(("publish", "ask")), "u1")])
POSTING = Posting(Client(settings=Settings()), Guard(None), GatewayMetrics())


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """An example of an event with some fields changed or gone, cut and spoilt; or bytes of any kind."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=300))
    fields = {**draw(EXAMPLE), **draw(st.dictionaries(NAMES, VALUES, max_size=3))}
    for name in draw(st.lists(NAMES, max_size=2)):
        fields.pop(name, None)
    raw = json.dumps(fields, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    cut = draw(st.integers(0, 20))
    return raw[: len(raw) - cut] + draw(st.binary(max_size=3)) if draw(st.booleans()) else raw


T = TypeVar("T")


def taken(take: Callable[[], T]) -> T | None:
    """What is taken; None for what is refused, with a code and a fitting status."""
    refused: RefusedRequest | None = None
    try:
        return take()
    except RefusedRequest as refusal:
        refused = refusal
    assert refused.status in (400, 403)
    assert refused.body.error.code
    assert as_response(refused).body
    return None


@given(bodies(), CALLERS)
@example(b'{"event":"view","item_id":"p1","time":[],"x":nul', ANYBODY)  # a wrong field before what is no JSON
def test_an_event_is_taken_or_refused(raw: bytes, caller: Caller) -> None:
    """What is taken decodes as a worker will decode it, and is the caller's own."""
    for door, decode in ((EVENTS, decode_behavior), (ITEMS, decode_item)):
        record = taken(partial(POSTING.ready, raw, door, caller))
        if record is not None:
            decode(record.raw)
            assert caller.user_id is None or record.user_id == caller.user_id


@given(bodies(), CALLERS)
def test_a_query_is_taken_or_refused(raw: bytes, caller: Caller) -> None:
    """Its user is the caller's, and its answer comes to nobody else."""
    query = taken(partial(query_of, raw, caller))
    if query is not None:
        assert query.reply_topic is None
        assert caller.user_id is None or query.user_id == caller.user_id


def test_a_gateway_loads_no_models() -> None:
    """As many as wanted: each takes the memory of a client."""
    heavy = ("faust", "numba", "numpy", "onnxruntime", "redis", "river", "torch")
    code = f"import sys, streams.gateway.serving; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout(), capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
