"""Which component process is active, and whom the link remembers to be available to."""

from collections.abc import Callable

import pytest

from component.server_link.instances import MAKE_WAY_S, RETURN_S, Instances
from component.server_link.presences import MAX_PRESENCES, Presences
from tests.component.server_link_stanzas import framed, message


def two() -> Instances:
    instances = Instances()
    for pid in (10, 10, 20, 20):
        instances.attached(pid, 0)
    assert (instances.active, instances.standby) == (10, [20])
    return instances


def test_the_first_is_active_until_its_last_stream_has_ended() -> None:
    instances = two()
    instances.detached(10, 1, by_us=False)
    assert instances.active == 10
    instances.detached(10, 1, by_us=False)
    assert (instances.active, instances.standby) == (20, [])


def test_without_another_nobody_is_active() -> None:
    instances = Instances()
    instances.attached(10, 0)
    instances.detached(10, 1, by_us=False)
    assert instances.active is None
    instances.attached(30, 2)
    assert instances.active == 30


def test_whose_stream_we_have_ended_keeps_its_place_for_a_moment() -> None:
    instances = two()
    for _ in range(2):
        instances.detached(10, 1, by_us=True)
    instances.tick(1 + RETURN_S - 0.1)
    assert instances.active == 10
    instances.attached(10, 1 + RETURN_S - 0.1)
    instances.tick(1 + RETURN_S)
    assert instances.active == 10


def test_who_does_not_come_back_loses_its_place() -> None:
    instances = two()
    for _ in range(2):
        instances.detached(10, 1, by_us=True)
    instances.tick(1 + RETURN_S)
    assert instances.active == 20


def test_the_successor_is_active_when_the_old_one_has_closed_its_streams() -> None:
    instances = two()
    instances.replace(20, 1)
    assert (instances.active, instances.replacing) == (10, True)
    instances.detached(10, 1, by_us=False)
    assert instances.active == 10
    instances.detached(10, 1, by_us=False)
    assert (instances.active, instances.replacing) == (20, False)


def test_an_old_one_that_closes_nothing_is_not_waited_for() -> None:
    instances = two()
    instances.replace(20, 1)
    instances.tick(1 + MAKE_WAY_S)
    assert (instances.active, instances.replacing) == (20, False)


def test_a_successor_that_dies_before_leaves_the_old_one_its_place() -> None:
    instances = two()
    instances.replace(20, 1)
    for _ in range(2):
        instances.detached(20, 1, by_us=False)
    instances.tick(1 + MAKE_WAY_S)
    assert (instances.active, instances.replacing) == (10, False)


def test_only_who_stands_by_can_be_put_in_place() -> None:
    instances = two()
    with pytest.raises(KeyError):
        instances.replace(30, 1)
    instances.replace(10, 1)
    assert (instances.active, instances.replacing) == (10, False)


JOIN = framed("<presence from='focus@f.x/1' to='room@m/focus'><x xmlns='u'/></presence>")
PAIR = ("focus@f.x/1", "room@m/focus")


def test_who_was_told_that_we_are_there_is_remembered() -> None:
    presences = Presences()
    presences.sent(JOIN)
    presences.sent(JOIN)
    presences.sent(message(1))
    assert list(presences) == [PAIR]


OURS, THEIRS = "from='focus@f.x/1' to='room@m/focus'", "to='focus@f.x/1' from='room@m/focus'"


@pytest.mark.parametrize(
    "end",
    [
        lambda presences: presences.sent(framed(f"<presence type='unavailable' {OURS}/>")),
        lambda presences: presences.received(framed(f"<presence type='unavailable' {THEIRS}/>")),
        lambda presences: presences.received(framed(f"<presence type='error' {THEIRS}/>")),
    ],
    ids=["it was told the end", "it is gone", "it refuses"],
)
def test_who_need_not_be_told_the_end_is_forgotten(end: Callable[[Presences], None]) -> None:
    presences = Presences()
    presences.sent(JOIN)
    end(presences)
    assert list(presences) == []


def test_only_so_many_are_remembered() -> None:
    presences = Presences((f"a{number}", "b") for number in range(MAX_PRESENCES))
    presences.sent(JOIN)
    assert len(presences) == MAX_PRESENCES
    assert list(presences)[-1] == PAIR
    assert next(iter(presences)) == ("a1", "b")
