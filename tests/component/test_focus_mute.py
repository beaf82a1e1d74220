"""Who mutes whom, and what the bridge and the muted are told."""

from __future__ import annotations

import json
from xml.etree.ElementTree import Element

import pytest

from jingle.content import Action
from jingle.element import Jingle
from jingle.jitsi.mute import Mute
from jingle.jitsi.session import BridgeSession
from tests.component.focus_room import FIRST, ROOM, SECOND, THIRD, FocusRoom, presence, recorded


def meeting() -> FocusRoom:
    """FIRST is moderator, SECOND and THIRD are not."""
    room = FocusRoom().meeting(FIRST, SECOND, THIRD)
    room.receive(recorded("0057-focus-from-server-presence.xml"))
    room.forget()
    return room


def jid(nick: str) -> str:
    return f"{ROOM}/{nick}"


@pytest.mark.parametrize("media", ["audio", "video"])
def test_a_moderator_mutes_another_and_the_bridge_holds_it(media: str) -> None:
    room = meeting()
    assert room.mute(FIRST, Mute(media, True, jid(SECOND))) is None
    assert room.muted() == [(SECOND, Mute(media, True, actor=jid(FIRST)))]
    (endpoint,) = room.endpoints()
    forced = (endpoint.force_mute_audio, endpoint.force_mute_video)
    assert (endpoint.id, forced) == (SECOND, (media == "audio", media == "video"))


def test_who_unmutes_itself_is_heard_again() -> None:
    room = meeting()
    room.mute(FIRST, Mute("audio", True, jid(SECOND)))
    room.forget()
    assert room.mute(SECOND, Mute("audio", False, jid(SECOND))) is None
    assert room.muted() == []
    assert [one.force_mute_audio for one in room.endpoints()] == [False]


def shows(nick: str, *, audio_muted: bool) -> Element:
    stanza = presence(nick)
    info = Element("{jabber:component:accept}SourceInfo")
    info.text = json.dumps({f"{nick}-a0": {"muted": audio_muted}, f"{nick}-v0": {"muted": False}})
    stanza.append(info)
    return stanza


def test_who_shows_itself_unmuted_after_it_was_muted_is_heard_again() -> None:
    room = meeting()
    room.receive(shows(SECOND, audio_muted=False))
    room.mute(FIRST, Mute("audio", True, jid(SECOND)))
    room.forget()
    room.receive(shows(SECOND, audio_muted=False))
    assert room.requests == [], "this presence was on its way when the order came"
    room.receive(shows(SECOND, audio_muted=True))
    assert room.requests == []
    room.receive(shows(SECOND, audio_muted=False))
    assert [(one.id, one.force_mute_audio) for one in room.endpoints()] == [(SECOND, False)]


def test_who_was_muted_before_the_order_is_heard_when_it_unmutes() -> None:
    room = meeting()
    room.receive(shows(SECOND, audio_muted=True))
    room.mute(FIRST, Mute("audio", True, jid(SECOND)))
    room.forget()
    room.receive(shows(SECOND, audio_muted=False))
    assert [one.force_mute_audio for one in room.endpoints()] == [False]


def test_a_muted_shared_screen_does_not_stop_the_camera() -> None:
    room = meeting()
    assert room.mute(FIRST, Mute("desktop", True, jid(SECOND))) is None
    assert [mute.media for _, mute in room.muted()] == ["desktop"]
    assert room.requests == []


def test_muting_oneself_needs_nobody_else() -> None:
    room = meeting()
    assert room.mute(SECOND, Mute("audio", True, jid(SECOND))) is None
    assert room.muted() == [] and room.requests == []


@pytest.mark.parametrize(
    ("muter", "mute", "condition"),
    [
        (SECOND, Mute("audio", True, jid(THIRD)), "not-allowed"),
        (SECOND, Mute("audio", True, jid("nobody")), "not-allowed"),
        (FIRST, Mute("audio", False, jid(SECOND)), "not-allowed"),
        (FIRST, Mute("audio", True, jid("nobody")), "item-not-found"),
        (FIRST, Mute("audio", True, f"other@conference.meet.lab/{SECOND}"), "item-not-found"),
        (FIRST, Mute("audio", True, jid("visitor")), "not-allowed"),
        (FIRST, Mute("audio", True, ""), "bad-request"),
        ("outsider", Mute("audio", True, jid(SECOND)), "item-not-found"),
    ],
)
def test_what_the_table_refuses(muter: str, mute: Mute, condition: str) -> None:
    room = meeting()
    room.receive(presence("visitor", role="visitor"))
    room.forget()
    error = room.mute(muter, mute)
    assert error is not None and error.condition == condition
    assert room.muted() == [] and room.requests == []


def test_an_actor_in_the_request_is_nobody() -> None:
    room = meeting()
    error = room.mute(SECOND, Mute("audio", True, jid(THIRD), actor=jid(FIRST)))
    assert error is not None and error.condition == "not-allowed"


def test_a_new_session_of_a_muted_participant_begins_muted() -> None:
    room = meeting()
    room.mute(FIRST, Mute("audio", True, jid(SECOND)))
    room.forget()
    failed = BridgeSession(room.bridge_session(SECOND))
    info = Jingle(Action.SESSION_INFO, room.sid(SECOND), bridge_session=failed, ice_state="failed")
    assert room.jingle(SECOND, info) is None
    created = room.endpoints()[-1]
    assert created.create and created.force_mute_audio is True and created.force_mute_video is None
