"""The journal above its store: what is given back, what is refused, and what happens when the store fails."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from carillon.journal import Journal, Row
from carillon.journal import journal as module
from carillon.journal.memory_store import MemoryStore
from carillon.journal.row import MAX_NAME_BYTES, MAX_VALUE_BYTES
from carillon.journal.store import Superseded

NOW = 1_800_000_000.0
ROOM = "weekly@conference.example.org"


def journal(store: MemoryStore, now: float = NOW) -> Journal:
    return Journal(store, 3600, clock=lambda: now)


def row(key: str, value: bytes | None = b"{}", kind: str = "endpoint") -> Row:
    return Row(kind, ROOM, key, value)


def test_what_was_written_is_given_to_the_next_component() -> None:
    store = MemoryStore()
    assert journal(store).write([row("a"), row("b"), row("c", kind="call")])
    after = journal(store)
    assert after.load("endpoint") == [row("a"), row("b")]
    assert after.load("call") == [row("c", kind="call")]


def test_what_was_deleted_is_not_given_back() -> None:
    store = MemoryStore()
    first = journal(store)
    first.write([row("a"), row("b")])
    first.write([row("a", None)])
    assert journal(store).load("endpoint") == [row("b")]


def test_a_kind_can_be_loaded_twice() -> None:
    store = MemoryStore()
    journal(store).write([row("a")])
    after = journal(store)
    assert after.load("endpoint") == after.load("endpoint") == [row("a")]


def test_nothing_is_opened_before_it_is_used() -> None:
    store = MemoryStore()
    store.fails = "away"
    unused = journal(store)
    unused.tick(1000.0)
    assert unused.trouble() is None


def test_a_journal_that_nobody_has_attended_to_begins_anew() -> None:
    store = MemoryStore()
    journal(store).write([row("a")])
    assert journal(store, NOW + 3601).load("endpoint") == []
    assert store.rows == {}


def test_a_journal_that_is_attended_to_does_not_age() -> None:
    store = MemoryStore()
    times = [NOW]
    attended = Journal(store, 3600, clock=lambda: times[0])
    attended.write([row("a")])
    attended.attach("endpoint", lambda: [row("a")])
    for minute in range(120):
        times[0] = NOW + 60 * minute
        attended.tick(60.0 * minute)
    assert journal(store, NOW + 3600 * 2.5).load("endpoint") == [row("a")]


def test_without_a_store_nothing_is_protected_and_nothing_is_wrong() -> None:
    none = Journal(None, 3600)
    assert not none.write([row("a")])
    assert none.load("endpoint") == []
    assert none.trouble() is None


def test_a_write_that_fails_is_said_once_and_heals_from_the_snapshots() -> None:
    store = MemoryStore()
    kept = journal(store)
    kept.attach("endpoint", lambda: [row("new")])
    kept.write([row("old"), row("other", kind="call")])
    store.fails = "the disk is full: make room"
    with capture_logs() as log:
        assert not kept.write([row("new"), row("old", None)])
        assert not kept.write([row("newer")])
        kept.tick(module.RETRY_S)
        assert kept.trouble() == (
            "meetings are not protected from a restart of the component: the disk is full: make room"
        )
        store.fails = None
        assert not kept.write([row("newer")])  # until all is written anew, what is there would be a mixture
        kept.tick(2 * module.RETRY_S)
    assert kept.trouble() is None
    assert set(store.rows) == {row("new").name, row("other", kind="call").name}
    assert [entry["log_level"] for entry in log] == ["error", "info"]


def test_a_store_that_has_failed_is_tried_again_only_now_and_then() -> None:
    class Counting(MemoryStore):
        opened = 0

        def open(self) -> None:
            self.opened += 1
            super().open()

    store = Counting()
    store.fails = "away"
    failing = journal(store)
    failing.load("endpoint")
    for tenth in range(100):
        failing.write([row("a")])
        failing.tick(tenth / 10)
    assert store.opened == 2


def test_a_journal_that_cannot_be_read_gives_nothing_and_says_so() -> None:
    store = MemoryStore()
    journal(store).write([row("a")])
    store.fails = "cannot be read"
    failing = journal(store)
    assert failing.load("endpoint") == []
    assert "cannot be read" in (failing.trouble() or "")


def test_who_has_been_superseded_writes_no_more_and_makes_no_fuss() -> None:
    class Taken(MemoryStore):
        def write(self, rows: Iterable[Row], now: float) -> None:
            raise Superseded("another component writes the journal")

    superseded = journal(Taken())
    assert not superseded.write([row("a")])
    assert superseded.trouble() is None


def test_after_close_nothing_is_written() -> None:
    store = MemoryStore()
    closed = journal(store)
    closed.write([row("a")])
    closed.close()
    assert not closed.write([row("a", None)])
    assert list(store.rows) == [row("a").name]


@pytest.mark.parametrize(
    "large",
    [row("a", b"x" * (MAX_VALUE_BYTES + 1)), Row("endpoint", ROOM, "x" * (MAX_NAME_BYTES + 1), b"{}")],
    ids=["value", "name"],
)
def test_what_is_too_large_is_refused_and_said(large: Row) -> None:
    store = MemoryStore()
    bounded = journal(store)
    assert not bounded.write([large, row("b")])
    assert list(store.rows) == [row("b").name]
    assert f"the endpoint of {ROOM} would not survive" in (bounded.trouble() or "")
    assert bounded.write([Row(*large.name, None)])
    assert bounded.trouble() is None


def test_the_old_value_of_what_has_become_too_large_is_not_kept() -> None:
    store = MemoryStore()
    bounded = journal(store)
    bounded.write([row("a", b"old")])
    bounded.write([row("a", b"x" * (MAX_VALUE_BYTES + 1))])
    assert store.rows == {}


def test_there_are_only_so_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    store = MemoryStore()
    bounded = journal(store)
    assert bounded.write([row("a"), row("b")])
    assert not bounded.write([row("c")])
    assert bounded.write([row("a", None), row("c")])
    assert {name[2] for name in store.rows} == {"b", "c"}


def test_rows_that_nobody_answers_for_are_pruned_at_the_second_look() -> None:
    store = MemoryStore()
    journal(store).write([row("left"), row("kept"), row("gone", kind="unknown")])
    swept = journal(store)
    swept.attach("endpoint", lambda: [row("kept")])
    swept.load("endpoint")
    swept.tick(0.0)
    assert len(store.rows) == 3
    swept.tick(module.SWEEP_S)
    assert list(store.rows) == [row("kept").name]


def test_prune_does_not_wait_for_a_second_look() -> None:
    store = MemoryStore()
    pruned = journal(store)
    pruned.write([row("left"), row("kept")])
    pruned.attach("endpoint", lambda: [row("kept")])
    assert pruned.prune() == 1
    assert list(store.rows) == [row("kept").name]


def test_a_service_that_fails_to_say_what_it_has_loses_no_rows() -> None:
    store = MemoryStore()
    kept = journal(store)
    kept.write([row("a")])

    def failing() -> Iterable[Row]:
        raise RuntimeError("a bug")

    kept.attach("endpoint", failing)
    with capture_logs():
        assert kept.prune() == 0
    assert list(store.rows) == [row("a").name]


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.binary(max_size=3)), max_size=4)),
    st.sets(st.integers(0, 12)),
)
def test_whenever_the_store_fails_it_ends_up_with_what_the_snapshot_says(
    writes: list[list[tuple[str, bytes | None]]], failing: set[int]
) -> None:
    store = MemoryStore()
    kept = journal(store)
    truth: dict[str, bytes] = {}
    kept.attach("endpoint", lambda: [row(key, value) for key, value in truth.items()])
    for number, changes in enumerate(writes):
        store.fails = "away" if number in failing else None
        for key, value in changes:
            truth.pop(key, None)
            if value is not None:
                truth[key] = value
        with capture_logs():
            kept.write([row(key, value) for key, value in changes])
            kept.tick(number * module.RETRY_S)
    store.fails = None
    with capture_logs():
        kept.tick(len(writes) * module.RETRY_S + module.RETRY_S)
    assert {name[2]: value for name, value in store.rows.items()} == truth
