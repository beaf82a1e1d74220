"""A caller's occupant in a room: recorded nothing, but every stanza of the gateway checked."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from component.calls.answer import Downlinks
from component.calls.offer import judge
from component.calls.room_leg import HEARD_BURST, RoomLeg
from component.focus import features
from component.focus.effects import AskPeer, PeerAnswer, Send
from component.focus.features import features_of
from component.focus.occupant import RoomPresence, parse_room_presence
from component.focus.outbox import Outbox
from component.stanza import result
from component.stanza_error import StanzaError
from jingle.content import Action, Content, Group, Reason
from jingle.element import Jingle, parse_jingle
from jingle.errors import JingleError
from jingle.ice import IceTransport
from jingle.jitsi.conference import CONFERENCE
from jingle.jitsi.mute import Mute
from jingle.jitsi.presence import parse_participant
from jingle.jitsi.session import BridgeSession
from jingle.rtp import RtpDescription
from jingle.sources import Source
from tests.component.call_under_test import DINO, STANZA_JS
from tests.component.focus_room import bridge_transport

ROOM, OWN = "room@conference.localhost", "room@calls.localhost/ab12cd34"
OCCUPANT = f"{ROOM}/ab12cd34"


class Ears:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.downlinks: Downlinks = {}
        self.lost_by: list[Reason] = []
        self.told: list[str] = []
        self.without: list[str] = []
        self.restarts: list[IceTransport | None] = []
        self.picture = True

    def reached(self, downlinks: Downlinks, now: float) -> None:
        self.downlinks = downlinks

    def unreachable(self, media: str, reason: Reason, now: float) -> None:
        self.without.append(media)

    def lost(self, reason: Reason, now: float) -> None:
        self.lost_by.append(reason)

    def restarted(self, transport: IceTransport | None, now: float) -> None:
        self.restarts.append(transport)

    def pictured(self, shown: bool, now: float) -> None:
        self.picture = shown

    def tell(self, words: str) -> None:
        self.told.append(words)


class Occupant:
    """A leg and what it has sent."""

    def __init__(self, initiate: Jingle = STANZA_JS) -> None:
        self.outbox, self.ears = Outbox(), Ears()
        ssrcs = count(1000)
        self.leg = RoomLeg(
            self.outbox,
            room=ROOM,
            own_jid=OWN,
            focus="focus.localhost",
            name="Alice",
            new_ssrc=lambda: next(ssrcs),
            listener=self.ears,
        )
        self.asked: list[AskPeer] = []
        self.presences: list[Element] = []
        offer = judge(initiate)
        self.leg.begin(offer.contents, bundled=offer.bundled, now=0.0)
        self.collect()

    def collect(self) -> None:
        for effect in self.outbox.take():
            if isinstance(effect, AskPeer):
                self.asked.append(effect)
            else:
                assert isinstance(effect, Send)
                self.presences.append(effect.stanza)

    def answer(self, answer: PeerAnswer = None) -> None:
        self.asked[-1].done(result(self.asked[-1].iq) if answer is None else answer, 0.0)
        self.collect()

    def enter(self, focus: str = "focus@focus.localhost/focus") -> None:
        self.answer()
        self.see("focus", real_jid=focus)
        self.leg.presence(RoomPresence(ROOM, "ab12cd34", "available", codes=frozenset({110})), 0.0)

    def invite(self, *media: str) -> None:
        offer = Jingle(
            Action.SESSION_INITIATE,
            "focus-sid",
            contents=tuple(
                Content(
                    one,
                    senders="both",
                    description=RtpDescription(one, sources=(Source(70 + number, name=f"{one}-down"),)),
                    transport=bridge_transport("ab12cd34"),
                )
                for number, one in enumerate(media or ("audio", "video"))
            ),
            groups=(Group("BUNDLE", media or ("audio", "video")),),
            bridge_session=BridgeSession("allocation"),
        )
        self.leg.jingle("focus", offer, 0.0)
        self.collect()

    def see(self, nick: str, **parts: Any) -> None:
        self.leg.presence(RoomPresence(ROOM, nick, **({"kind": "available"} | parts)), 0.0)
        self.collect()

    def told(self) -> Jingle:
        """The last request to the focus."""
        assert self.asked[-1].iq.get("to") == f"{ROOM}/focus"
        return parse_jingle(self.asked[-1].iq[0])

    def focus_says(self, action: Action, **parts: Any) -> None:
        self.leg.jingle("focus", Jingle(action, "focus-sid", **parts), 0.0)
        self.collect()

    def shown(self) -> dict[str, bool]:
        """Mute state by source, as the last presence tells it."""
        return {one.name: one.muted for one in parse_participant(self.presences[-1]).sources}


def test_it_asks_the_focus_and_then_enters_under_the_callers_name() -> None:
    test = Occupant()
    request = test.asked[0].iq.find(CONFERENCE)
    assert request is not None and request.get("room") == ROOM
    assert test.asked[0].iq.get("from") == OWN and not test.presences
    test.answer()
    join = test.presences[0]
    assert (join.get("to"), join.get("from")) == (OCCUPANT, OWN)
    assert join.find("{http://jabber.org/protocol/muc}x") is not None
    assert join.findtext("{http://jabber.org/protocol/nick}nick") == "Alice"
    assert parse_room_presence(join).unmuted == {"audio", "video"}


def test_the_focus_learns_by_features_how_to_invite_it() -> None:
    browser, dino = features_of(Occupant().leg.info()), features_of(Occupant(DINO).leg.info())
    assert {features.SINGLE_STREAM, features.ICE_CONTROLLED, features.AUDIO, features.VIDEO} <= browser
    assert features.UNBUNDLED in dino and features.UNBUNDLED not in browser


def test_the_invitation_becomes_the_callers_answer_and_the_callers_offer_its_own() -> None:
    test = Occupant()
    test.enter()
    test.invite()
    accept = parse_jingle(test.asked[-1].iq[0])
    assert accept.action is Action.SESSION_ACCEPT and test.asked[-1].iq.get("to") == f"{ROOM}/focus"
    audio, video = (content.description for content in accept.contents)
    assert audio is not None and video is not None
    assert [one.id for one in video.payload_types] == [96, 97]
    assert [one.name for one in (*audio.sources, *video.sources)] == ["ab12cd34-a0", "ab12cd34-v0"]
    transport = accept.contents[0].transport
    offered = STANZA_JS.contents[0].transport
    assert transport is not None and offered is not None and transport.ufrag == offered.ufrag
    assert [one.setup for one in transport.fingerprints] == ["passive"]
    assert [one.ssrc for one in test.ears.downlinks["video"].sources] == [71]
    assert test.ears.downlinks["audio"].transport.ufrag == "ufragab12cd34"


def test_a_medium_that_the_focus_does_not_offer_is_done_without() -> None:
    test = Occupant()
    test.enter()
    test.invite("audio")
    assert test.ears.without == ["video"] and list(test.ears.downlinks) == ["audio"]


def test_mute_is_seen_in_the_room() -> None:
    test = Occupant()
    test.leg.show(frozenset({"video"}), frozenset())
    test.enter()
    assert test.shown() == {"ab12cd34-a0": False, "ab12cd34-v0": True}
    test.leg.show(frozenset({"audio", "video"}), frozenset())
    test.collect()
    assert test.shown() == {"ab12cd34-a0": True, "ab12cd34-v0": True}
    assert test.presences[-1].find("{http://jabber.org/protocol/muc}x") is None


def test_a_moderators_mute_holds_until_the_caller_unmutes() -> None:
    test = Occupant()
    test.enter()
    test.leg.order_mute("focus", Mute("audio", True, actor=f"{ROOM}/mod"))
    test.collect()
    assert test.shown()["ab12cd34-a0"] and "microphone" in test.ears.told[0]
    test.leg.show(frozenset({"audio"}), frozenset())
    test.leg.show(frozenset(), frozenset())
    test.collect()
    assert not test.shown()["ab12cd34-a0"]
    with pytest.raises(StanzaError, match="forbidden"):
        test.leg.order_mute("somebody", Mute("audio", True))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (StanzaError("resource-constraint", "room is full"), "busy"),
        (StanzaError("not-allowed"), "decline"),
        (StanzaError("service-unavailable"), "general-error"),
    ],
)
def test_a_room_that_is_not_to_be_had(answer: StanzaError, reason: str) -> None:
    test = Occupant()
    test.answer(answer)
    assert [one.condition for one in test.ears.lost_by] == [reason]
    assert not test.presences


@pytest.mark.parametrize(
    ("presence", "reason"),
    [
        (RoomPresence(ROOM, "ab12cd34", "unavailable", codes=frozenset({110, 307})), "decline"),
        (RoomPresence(ROOM, "ab12cd34", "unavailable", codes=frozenset({110, 301})), "decline"),
        (RoomPresence(ROOM, "ab12cd34", "unavailable", codes=frozenset({110, 332})), "gone"),
        (RoomPresence(ROOM, "other", "unavailable"), ""),
    ],
)
def test_leaving_the_room_is_the_end_of_the_call(presence: RoomPresence, reason: str) -> None:
    test = Occupant()
    test.enter()
    test.leg.presence(presence, 0.0)
    assert [one.condition for one in test.ears.lost_by] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("registration-required", "members"),
        ("not-authorized", "password"),
        ("forbidden", "banned"),
        ("service-unavailable", "full"),
        ("something", "not let you in"),
    ],
)
def test_a_room_that_does_not_let_it_in_says_why(error: str, words: str) -> None:
    test = Occupant()
    test.answer()
    test.leg.presence(RoomPresence(ROOM, "ab12cd34", "error", error=error), 0.0)
    assert words in test.ears.lost_by[0].text


def test_the_end_of_the_call_leaves_the_room() -> None:
    test = Occupant()
    test.enter()
    test.leg.end()
    test.collect()
    assert test.presences[-1].get("type") == "unavailable"
    with pytest.raises(JingleError):
        test.invite()


def test_nobody_but_the_focus_invites_and_a_moved_session_ends_the_call() -> None:
    test = Occupant()
    test.enter()
    with pytest.raises(JingleError):
        test.leg.jingle("somebody", Jingle(Action.SESSION_INITIATE, "x"), 0.0)
    with pytest.raises(JingleError):
        test.leg.jingle("focus", Jingle(Action.SOURCE_ADD, "x"), 0.0)
    test.invite()
    with pytest.raises(JingleError):
        test.invite()
    test.leg.jingle("focus", Jingle(Action.SOURCE_ADD, "focus-sid"), 0.0)
    test.leg.jingle(
        "focus", Jingle(Action.SESSION_TERMINATE, "focus-sid", reason=Reason("success", "moving")), 0.0
    )
    assert [one.condition for one in test.ears.lost_by] == ["general-error"]


def test_only_the_focus_by_its_real_jid_invites() -> None:
    test = Occupant()
    test.enter(focus="mallory@localhost/x")
    with pytest.raises(JingleError):
        test.invite()
    with pytest.raises(StanzaError, match="forbidden"):
        test.leg.order_mute("focus", Mute("audio", True))
    test.see("focus", kind="unavailable")
    test.see("focus", real_jid="focus@focus.localhost/focus")
    test.invite()
    assert test.told().action is Action.SESSION_ACCEPT


def test_media_that_the_bridge_gave_up_end_the_call_in_words() -> None:
    test = Occupant()
    test.enter()
    test.invite()
    test.focus_says(Action.SESSION_TERMINATE, reason=Reason("connectivity-error"))
    assert [one.condition for one in test.ears.lost_by] == ["connectivity-error"]


def test_a_content_is_added_by_way_of_the_focus() -> None:
    test = Occupant(replace(STANZA_JS, contents=STANZA_JS.contents[:1]))
    test.enter()
    test.invite("audio")
    video = judge(STANZA_JS).contents[1]
    test.leg.add(video, 0.0)
    test.collect()
    (added,) = test.told().contents
    assert test.told().action is Action.CONTENT_ADD and (added.name, added.creator) == ("video", "responder")
    assert added.description is not None and added.description.sources[0].name == "ab12cd34-v0"
    accepted = Content(
        "video",
        "responder",
        description=RtpDescription("video", sources=(Source(72), Source(73))),
        transport=bridge_transport("ab12cd34"),
    )
    test.focus_says(Action.CONTENT_ACCEPT, contents=(accepted,))
    assert [one.ssrc for one in test.ears.downlinks["video"].sources] == [72, 73]
    test.leg.remove("video", 0.0)
    test.collect()
    assert test.told().action is Action.CONTENT_REMOVE
    test.leg.add(video, 0.0)
    test.collect()
    again = test.told().contents[0].description
    assert again is not None and again.sources == added.description.sources


def test_a_content_that_the_focus_refuses_is_done_without() -> None:
    test = Occupant(replace(STANZA_JS, contents=STANZA_JS.contents[:1]))
    test.enter()
    test.invite("audio")
    video = judge(STANZA_JS).contents[1]
    test.leg.add(video, 0.0)
    test.collect()
    test.answer(StanzaError("not-acceptable"))
    test.leg.add(video, 0.0)
    test.collect()
    test.focus_says(Action.CONTENT_REJECT, contents=(Content("video", "responder"),))
    assert test.ears.without == ["video", "video"]


def test_who_sends_is_told_the_focus_from_its_side() -> None:
    test = Occupant()
    test.enter()
    test.leg.show(frozenset(), frozenset({"video"}))
    test.invite()
    assert [(one.name, one.senders) for one in test.told().contents] == [("video", "responder")]
    both = frozenset({"audio", "video"})
    test.leg.show(both, both)
    test.collect()
    assert {(one.name, one.senders) for one in test.told().contents} == {("audio", "none"), ("video", "none")}
    test.leg.show(frozenset(), frozenset())
    test.collect()
    assert {one.senders for one in test.told().contents} == {"both"}


def test_a_restart_of_ice_goes_through_the_focus_and_back() -> None:
    test = Occupant()
    test.enter()
    test.invite()
    test.leg.restart(IceTransport("new", "secret"), 0.0)
    test.collect()
    asked = test.told().bridge_session
    assert asked is not None and asked.ice_restart and asked.id == "allocation"
    fresh = replace(bridge_transport("fresh"), ice_generation=3)
    test.focus_says(Action.TRANSPORT_INFO, contents=(Content("audio", transport=fresh),))
    own = test.told().contents[0].transport
    assert own is not None and (own.ufrag, own.ice_generation) == ("new", 3)
    assert [one.ufrag for one in test.ears.restarts if one is not None] == ["ufragfresh"]
    test.focus_says(Action.TRANSPORT_INFO, contents=(Content("audio", transport=fresh),))
    assert len(test.ears.restarts) == 1


def test_a_restart_that_is_refused_is_told() -> None:
    test = Occupant()
    test.enter()
    test.invite()
    test.leg.restart(IceTransport("new", "secret"), 0.0)
    test.collect()
    test.answer(StanzaError("resource-constraint"))
    assert test.ears.restarts == [None]


def test_whether_anybody_is_to_be_seen_is_told() -> None:
    test = Occupant()
    test.enter()
    assert not test.ears.picture
    test.see("other", unmuted=frozenset({"audio", "video"}))
    assert test.ears.picture
    test.see("other", unmuted=frozenset({"audio"}))
    assert not test.ears.picture
    test.see("other", screen=True)
    assert test.ears.picture
    test.see("other", kind="unavailable")
    assert not test.ears.picture


def test_what_is_said_in_the_room_comes_with_the_speakers_name_but_never_as_an_echo() -> None:
    test = Occupant()
    test.enter()
    test.see("other", name="Bob")
    test.leg.heard("other", "hello", 0.0, private=False)
    test.leg.heard("other", "psst", 0.0, private=True)
    test.leg.heard("focus", "The room is full.", 0.0, private=True)
    test.leg.heard("ab12cd34", "my own words", 0.0, private=False)
    test.leg.heard("other", "", 0.0, private=False)
    assert test.ears.told == ["Bob: hello", "Bob (to you only): psst", "The room is full."]


def test_a_flood_in_the_room_does_not_reach_the_caller() -> None:
    test = Occupant()
    test.enter()
    for _ in range(100):
        test.leg.heard("other", "spam", 0.0, private=False)
    assert len(test.ears.told) == HEARD_BURST
    test.leg.heard("other", "later", 1.0, private=False)
    assert test.ears.told[-1] == "other: later"


def test_what_the_caller_says_is_said_in_the_room() -> None:
    test = Occupant()
    test.leg.say("too early")
    test.enter()
    test.leg.say("hello")
    test.collect()
    message = test.presences[-1]
    assert (message.get("to"), message.get("from"), message.get("type")) == (ROOM, OWN, "groupchat")
    assert message[0].text == "hello" and len(test.presences) == 2
