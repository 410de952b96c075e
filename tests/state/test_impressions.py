"""Impressions: what was served comes back bit for bit."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from state.impressions import Circumstances, StoredImpression, decode, encode


def impression(features: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> StoredImpression:
    """An impression of as many items as ``features`` has rows."""
    n = len(features)
    return StoredImpression(
        request_id="r1",
        user_id="u1",
        time=1_700_000_000_000,
        surface="search",
        arm="control",
        text="小米10手机",
        items=[f"p{number}" for number in range(n)],
        propensities=[1 / (number + 1) for number in range(n)],
        features=features,
        offline=np.linspace(-1, 1, n, dtype=np.float32),
        weights_version=17,
        artifact="3f9c",
        feature_names="1",
    )


shapes = st.tuples(st.integers(0, 20), st.integers(1, 40))
full = st.tuples(st.integers(1, 20), st.integers(2, 40))


@given(arrays(np.float32, shapes, elements=st.floats(width=32)))
def test_features_come_back_bit_for_bit(features: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
    """Whatever was served, extremes and NaN too, the learner sees the very same bytes and shape."""
    shown = impression(features)
    again = decode(encode(shown))
    assert again.features.shape == features.shape
    assert again.features.tobytes() == features.tobytes()
    assert again.offline.tobytes() == shown.offline.tobytes()
    assert again.propensities == shown.propensities
    assert (again.items, again.text, again.time) == (shown.items, shown.text, shown.time)


def test_a_slice_with_gaps_is_stored_in_its_order() -> None:
    """Features picked out of a larger matrix need not be contiguous, nor of single precision."""
    matrix = np.arange(24, dtype=np.float64).reshape(4, 6)
    again = decode(encode(impression(matrix[::2, ::-1])))  # type: ignore[arg-type]
    assert again.features.tolist() == matrix[::2, ::-1].tolist()


def test_an_array_of_other_things_is_refused() -> None:
    """An array that holds no floats is a mistake of the caller, named by its type."""
    with pytest.raises(TypeError, match="ndarray"):
        encode(impression(np.array([["a"]])))


def test_bytes_that_are_no_impression_are_refused() -> None:
    """A value of something else does not become an impression."""
    with pytest.raises(msgspec.DecodeError):
        decode(b"\x93\x01\x02\x03")


def test_columns_that_are_alike_are_stored_once() -> None:
    """Ten items that differ in one of fifty features take little more than their first."""
    features = np.tile(np.arange(50, dtype=np.float32), (10, 1))
    alike = len(encode(impression(features)))
    features[:, 7] = np.arange(10)
    differ = len(encode(impression(features)))
    assert differ - alike < 9 * 4 + 4
    assert differ < len(encode(impression(features[:1]))) + 300
    assert decode(encode(impression(features))).features.tobytes() == features.tobytes()


def test_an_impression_of_an_earlier_version_is_still_read() -> None:
    """Its matrix is one piece, and nothing was kept of what was known."""
    features = np.arange(6, dtype=np.float32).reshape(2, 3)
    pieces = msgspec.msgpack.decode(encode(impression(features)))
    old = [*pieces[:8], [[2, 3], features.astype("<f4").tobytes()], *pieces[9:13]]
    again = decode(msgspec.msgpack.encode(old))
    assert again.features.tolist() == features.tolist()
    assert again.known is None


@given(arrays(np.float32, full, elements=st.floats(width=32)), st.integers(0, 2**32 - 1))
def test_what_was_known_comes_back_bit_for_bit(
    features: np.ndarray[tuple[int, int], np.dtype[np.float32]], events: int
) -> None:
    """Scores, weights, adjustments and the features of what was not shown; records as bytes."""
    known = Circumstances(
        events=events, short=True, recent=bytes(range(14)), anchors=b"12345678", given={"lexical": 3}, found=9,
        scores=features[0], weights=features[:, :2], adjustments={"session": features[-1]}, others=b"x" * 8,
        other_features=features,
    )  # fmt: skip
    again = decode(encode(msgspec.structs.replace(impression(features), known=known))).known
    assert again is not None
    assert (again.events, again.short, again.long, again.given, again.found) == (events, True, False, {"lexical": 3}, 9)
    assert (again.recent, again.anchors, again.others) == (known.recent, known.anchors, known.others)
    assert again.scores.tobytes() == features[0].tobytes()
    assert again.weights.tobytes() == np.ascontiguousarray(features[:, :2]).tobytes()
    assert again.adjustments["session"].tobytes() == features[-1].tobytes()
    assert again.other_features.tobytes() == features.tobytes()
