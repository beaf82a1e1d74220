"""The table of bytestreams: two connections each, who may activate, how long anybody waits."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from relay.socks5.streams import ActivationRefused, Stage, Streams

A, B = "a" * 40, "b" * 40


def streams(max_streams: int = 10, per_user: int = 10) -> Streams:
    return Streams(30.0, max_streams, per_user)


def paired(table: Streams, digest: str, first: int, now: float = 0.0) -> None:
    assert table.join(digest, first, now)
    assert table.join(digest, first + 1, now)


def condition(table: Streams, digest: str, initiator: str = "ann@x") -> str:
    with pytest.raises(ActivationRefused) as caught:
        table.activate(digest, initiator, "bob@x", 0.0)
    return caught.value.condition


def test_two_connections_make_a_stream() -> None:
    table = streams()
    paired(table, A, 1)
    assert table.activate(A, "ann@x", "bob@x", 5.0) == (1, 2)
    assert table.by_digest[A].stage is Stage.ACTIVE
    assert table.end(A).initiator == "ann@x"
    assert (table.by_digest, table.active) == ({}, 0)


@pytest.mark.parametrize("active", [False, True])
def test_a_third_connection_is_refused_and_changes_nothing(active: bool) -> None:
    table = streams()
    paired(table, A, 1)
    if active:
        table.activate(A, "ann@x", "bob@x", 0.0)
    stage = table.by_digest[A].stage
    assert not table.join(A, 3, 1.0)
    table.leave(A, 3)
    assert (table.by_digest[A].stage, table.by_digest[A].connections) == (stage, [1, 2])


def test_a_stream_that_is_not_there_cannot_be_activated() -> None:
    assert condition(streams(), A) == "item-not-found"


def test_one_connection_is_not_enough() -> None:
    table = streams()
    table.join(A, 1, 0.0)
    assert condition(table, A) == "not-allowed"


def test_a_second_activation_leaves_the_stream_alone() -> None:
    table = streams()
    paired(table, A, 1)
    table.activate(A, "ann@x", "bob@x", 0.0)
    assert condition(table, A) == "conflict"
    assert table.by_digest[A].connections == [1, 2]


def test_streams_are_limited_by_user_and_together() -> None:
    table = streams(max_streams=2, per_user=1)
    for number in range(4):
        paired(table, f"{number:040x}", 2 * number)
    table.activate(f"{0:040x}", "ann@x", "bob@x", 0.0)
    assert condition(table, f"{1:040x}") == "resource-constraint"
    table.activate(f"{1:040x}", "bob@x", "ann@x", 0.0)
    assert condition(table, f"{2:040x}", "carl@x") == "resource-constraint"
    table.end(f"{0:040x}")
    table.activate(f"{2:040x}", "ann@x", "bob@x", 0.0)


def test_the_other_one_goes_on_waiting_when_one_leaves() -> None:
    table = streams()
    paired(table, A, 1)
    table.leave(A, 1)
    assert condition(table, A) == "not-allowed"
    assert table.join(A, 3, 1.0)
    assert table.activate(A, "ann@x", "bob@x", 2.0) == (2, 3)


def test_the_last_one_that_leaves_ends_it() -> None:
    table = streams()
    table.join(A, 1, 0.0)
    table.leave(A, 1)
    assert table.by_digest == {}


def test_nobody_waits_for_ever() -> None:
    table = streams()
    table.join(A, 1, 0.0)
    paired(table, B, 2, 10.0)
    assert table.overdue(29.9) == []
    assert table.overdue(30.0) == [1]
    assert table.overdue(40.0) == [1, 2, 3]


def test_the_second_connection_gives_time_for_the_activation() -> None:
    table = streams()
    table.join(A, 1, 0.0)
    table.join(A, 2, 29.0)
    assert table.overdue(58.0) == []


def test_an_active_stream_is_never_overdue() -> None:
    table = streams()
    paired(table, A, 1)
    table.activate(A, "ann@x", "bob@x", 0.0)
    assert table.overdue(1e9) == []


class Any(RuleBasedStateMachine):
    """Whatever happens in whatever order: two connections at most, and the sums are right."""

    def __init__(self) -> None:
        super().__init__()
        self.table = streams(max_streams=3, per_user=2)
        self.number = 0

    @rule(digest=st.sampled_from([A, B, "c" * 40]))
    def join(self, digest: str) -> None:
        self.number += 1
        self.table.join(digest, self.number, 0.0)

    @rule(digest=st.sampled_from([A, B, "c" * 40]), user=st.sampled_from(["ann@x", "bob@x"]))
    def activate(self, digest: str, user: str) -> None:
        try:
            self.table.activate(digest, user, "carl@x", 0.0)
        except ActivationRefused as refusal:
            assert refusal.condition in ("item-not-found", "not-allowed", "conflict", "resource-constraint")

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        for digest, stream in list(self.table.by_digest.items()):
            if stream.stage is Stage.ACTIVE:
                self.table.end(digest)
            else:
                self.table.leave(digest, data.draw(st.sampled_from([*stream.connections, 0])))

    @invariant()
    def two_at_most(self) -> None:
        for stream in self.table.by_digest.values():
            assert len(stream.connections) == (1 if stream.stage is Stage.WAITING else 2)
        active = [one for one in self.table.by_digest.values() if one.stage is Stage.ACTIVE]
        assert self.table.active == len(active) <= 3


TestAnyOrder = Any.TestCase
