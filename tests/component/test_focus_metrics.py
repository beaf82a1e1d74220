"""The focus's figures under Jicofo's names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client import REGISTRY

from carillon.journal import Journal
from carillon.settings import parse
from component.focus.service import Focus
from tests.component.fake_link import FakeLink
from tests.component.focus_room import FIRST, SECOND, THIRD, FocusRoom


def told(name: str) -> float:
    return REGISTRY.get_sample_value(f"jitsi_jicofo_{name}") or 0.0


def test_the_time_of_a_participant_is_counted_when_it_leaves() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    before = told("endpoint_seconds")
    room.wait(90.0)
    assert told("endpoint_seconds") == before
    room.leave(FIRST)
    assert told("endpoint_seconds") == before + 90.0


async def test_sizes_and_durations_of_the_conferences_of_a_focus() -> None:
    focus = Focus(parse("", Path("/nowhere/carillon.toml")), FakeLink(), Journal(None, 0.0))
    rooms: Any = focus._rooms
    for nicks in ((FIRST, SECOND, THIRD), (FIRST, SECOND)):
        room = FocusRoom(room=f"r{len(nicks)}@conference.meet.lab")
        for nick in nicks:
            room.conference.participants[nick] = SimpleNamespace(joined_at=focus.now() - 10)  # type: ignore[assignment]
        room.conference.created_at = focus.now() - 20
        rooms[room.room] = SimpleNamespace(conference=room.conference)
    assert (told("largest_conference"), told("participants_pairs")) == (3, 3 * 2 + 2 * 1)
    before = told("conferences_seconds"), told("endpoint_seconds")
    focus._count_time(rooms["r3@conference.meet.lab"].conference)
    assert round(told("conferences_seconds") - before[0]) == 20
    assert round(told("endpoint_seconds") - before[1]) == 30
