"""The topics: declared once, user topics with equal partitions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.topics import topics


def test_the_topics_have_their_names() -> None:
    """The design's nine, in its order, two more broadcasts, and batches set aside."""
    assert [spec.name for spec in topics()] == [
        "item-events", "behavior-events", "query-events", "recommendations", "signals", "feedback", "catalogue",
        "ranker-weights", "queries", "rules", "dead-letters", "damaged-batches",
    ]  # fmt: skip


@given(st.integers(1, 1024))
def test_both_sides_of_a_user_have_equal_partitions(partitions: int) -> None:
    """behavior-events, query-events and recommendations share their number of partitions."""
    found = topics(partitions)
    users = (found.behavior_events, found.query_events, found.recommendations)
    assert {spec.partitions for spec in users} == {partitions}
    assert found.feedback.partitions == 1


def test_a_prefix_is_put_before_every_name() -> None:
    """Two deployments on one cluster share no topic."""
    assert all(spec.name.startswith("shop-") for spec in topics(prefix="shop-"))
    assert not {spec.name for spec in topics(prefix="a-")} & {spec.name for spec in topics(prefix="b-")}


def test_broadcast_topics_and_items_are_compacted() -> None:
    """What is read from the start must not grow without end."""
    compacted = {spec.name for spec in topics() if spec.config.get("cleanup.policy") == "compact"}
    assert compacted == {"item-events", "catalogue", "ranker-weights", "queries", "rules", "damaged-batches"}
