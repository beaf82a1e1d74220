"""A caller's contents come, go and are directed otherwise; a caller whose media stop is given up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from component.calls import room_presence
from component.calls.offer import judge
from component.focus.bridge_conference import CHECK_INTERVAL_S
from component.focus.effects import BridgeAnswer
from component.stanza import iq
from component.stanza_error import StanzaError
from jingle.colibri2 import (
    Colibri2Error,
    ConferenceModify,
    Endpoint,
    Media,
    modify_json,
    parse_modify_json,
)
from jingle.content import Action, Content
from jingle.element import Jingle
from jingle.ice import IceTransport
from jingle.rtp import RtpDescription
from jingle.sources import Source
from tests.component.call_under_test import DINO, STANZA_JS
from tests.component.focus_room import FIRST, FocusRoom, allocate

CALLER = "ca11e500"
SSRCS = {"audio": 71, "video": 72}
OFFERED = {True: judge(STANZA_JS), False: judge(DINO)}
"""By whether it is bundled."""


def content(media: str, *, bundled: bool = True) -> Content:
    """A content of the caller's occupant, as the gateway describes it to the focus."""
    own = next(one for one in OFFERED[bundled].contents if one.kind == media)
    name = f"{CALLER}-{media[0]}0"
    description = RtpDescription(
        media,
        payload_types=own.media.payload_types,
        sources=(Source(SSRCS[media], name, msid=f"{name} {name}", cname=CALLER),),
    )
    return Content(media, "responder", "both", description=description, transport=own.transport)


def call(*media: str, bundled: bool = True) -> FocusRoom:
    """A room with one of the Jitsi family and a caller that has these media."""
    room = FocusRoom()
    room.request()
    room.open().join(FIRST)
    room.disco = iq("result", "focus", CALLER, room_presence.info(media, bundled=bundled))
    room.join(CALLER)
    room.accept(FIRST)
    accept = tuple(content(one, bundled=bundled) for one in media)
    assert ask(room, Action.SESSION_ACCEPT, *accept) is None
    room.wait(1)
    room.forget()
    return room


def ask(room: FocusRoom, action: Action, *contents: Content) -> StanzaError | None:
    return room.jingle(CALLER, Jingle(action, room.sid(CALLER), contents=contents))


def told(room: FocusRoom, endpoint: str) -> Endpoint:
    """The last that the bridge was told of an endpoint's media."""
    return [one for one in room.endpoints() if one.id == endpoint and one.media][-1]


def seen(room: FocusRoom, action: Action) -> set[int]:
    """The SSRCs that the others were told of."""
    return {
        source.ssrc
        for jingle in room.told(FIRST, action)
        for owned in (jingle.json_sources or {}).values()
        for media in owned
        for source in media.sources
    } | {
        source.ssrc
        for jingle in room.told(FIRST, action)
        for one in jingle.contents
        if one.description is not None
        for source in one.description.sources
    }


def test_video_is_added_to_a_bundle() -> None:
    room = call("audio")
    assert ask(room, Action.CONTENT_ADD, content("video")) is None
    (accept,) = room.told(CALLER, Action.CONTENT_ACCEPT)
    assert [one.name for one in accept.contents] == ["video"]
    assert accept.contents[0].transport is not None
    assert accept.contents[0].transport.ufrag == f"ufrag{CALLER}"
    assert [[pt.id for pt in media.payload_types] for media in told(room, CALLER).media] == [[111], [96, 97]]
    room.wait(1)
    assert seen(room, Action.SOURCE_ADD) == {72}


def test_video_without_bundle_gets_an_endpoint_of_its_own() -> None:
    room = call("audio", bundled=False)
    assert ask(room, Action.CONTENT_ADD, content("video", bundled=False)) is None
    (accept,) = room.told(CALLER, Action.CONTENT_ACCEPT)
    transport = accept.contents[0].transport
    assert transport is not None and transport.ufrag == f"ufrag{CALLER}-video"
    update = told(room, f"{CALLER}-video")
    assert [one.id for one in update.sources or ()] == [f"{CALLER}-v0"]
    assert update.transport is not None and update.transport.ice is not None
    room.wait(1)
    assert seen(room, Action.SOURCE_ADD) == {72}


def test_an_endpoint_that_cannot_be_had_rejects_the_content_and_nothing_else() -> None:
    room = call("audio", bundled=False)

    def full(request: ConferenceModify) -> BridgeAnswer:
        creating = any(one.create for one in request.endpoints)
        return Colibri2Error("graceful_shutdown") if creating else allocate(request)

    room.bridge = full
    assert ask(room, Action.CONTENT_ADD, content("video", bundled=False)) is None
    (reject,) = room.told(CALLER, Action.CONTENT_REJECT)
    assert [one.name for one in reject.contents] == ["video"]
    assert not room.told(CALLER, Action.SESSION_TERMINATE)
    room.bridge = allocate
    assert ask(room, Action.CONTENT_ADD, content("video", bundled=False)) is None


@pytest.mark.parametrize("bundled", [True, False])
def test_video_is_taken_back_and_comes_again(bundled: bool) -> None:
    room = call("audio", "video", bundled=bundled)
    assert ask(room, Action.CONTENT_REMOVE, Content("video")) is None
    room.wait(1)
    assert seen(room, Action.SOURCE_REMOVE) == {72}
    if bundled:
        assert told(room, CALLER).media[1] == Media("video")
    else:
        assert any(one.expire and one.id == f"{CALLER}-video" for one in room.endpoints())
    room.forget()
    assert ask(room, Action.CONTENT_ADD, content("video", bundled=bundled)) is None
    assert room.told(CALLER, Action.CONTENT_ACCEPT)
    room.wait(1)
    assert seen(room, Action.SOURCE_ADD) == {72}


def test_what_the_caller_does_not_want_is_not_sent() -> None:
    room = call("audio", "video")
    assert ask(room, Action.CONTENT_MODIFY, Content("video", senders="responder")) is None
    (update,) = room.endpoints()
    assert update.initial_last_n == 0 and not update.media
    assert ask(room, Action.CONTENT_MODIFY, Content("audio", senders="none")) is None
    assert told(room, CALLER).media[0] == Media("audio")
    both = (Content("audio", senders="both"), Content("video", senders="both"))
    assert ask(room, Action.CONTENT_MODIFY, *both) is None
    assert room.endpoints()[-1].initial_last_n == 1
    assert [bool(media.payload_types) for media in told(room, CALLER).media] == [True, True]
    for request in room.requests:
        sent = json.loads(json.dumps(modify_json(request)))
        assert parse_modify_json(sent, request.meeting_id) == request, "the bridge reads what it is told"


@pytest.mark.parametrize(
    ("action", "contents", "condition"),
    [
        (Action.CONTENT_ADD, (content("audio"),), "not-acceptable"),
        (Action.CONTENT_ADD, (content("audio"), content("video")), "bad-request"),
        (Action.CONTENT_ADD, (), "bad-request"),
        (Action.CONTENT_ADD, (replace(content("video"), transport=IceTransport()),), "bad-request"),
        (Action.CONTENT_REMOVE, (Content("video"),), "item-not-found"),
        (Action.CONTENT_MODIFY, (Content("video", senders="none"),), "item-not-found"),
    ],
)
def test_what_makes_no_sense_is_refused(
    action: Action, contents: tuple[Content, ...], condition: str
) -> None:
    refusal = ask(call("audio"), action, *contents)
    assert refusal is not None and refusal.condition == condition


def test_contents_of_the_jitsi_family_do_not_change() -> None:
    room = call("audio")
    for action in (Action.CONTENT_ADD, Action.CONTENT_REMOVE, Action.CONTENT_MODIFY):
        refusal = room.jingle(FIRST, Jingle(action, room.sid(FIRST), contents=(content("video"),)))
        assert refusal is not None and refusal.condition == "feature-not-implemented"


@pytest.mark.parametrize("lost", [CALLER, f"{CALLER}-video"])
def test_a_caller_whose_media_stop_is_given_up(lost: str) -> None:
    room = call("audio", "video", bundled=False)

    def forgetful(request: ConferenceModify) -> BridgeAnswer:
        checked = [one.id for one in request.endpoints if one.transport is not None]
        return Colibri2Error("unknown_endpoint") if checked == [lost] else allocate(request)

    room.bridge = forgetful
    room.wait(CHECK_INTERVAL_S + 1)
    (end,) = room.told(CALLER, Action.SESSION_TERMINATE)
    assert end.reason is not None and end.reason.condition == "connectivity-error"
    assert not room.told(FIRST, Action.SESSION_TERMINATE)
    room.wait(60)
    assert not room.told(CALLER, Action.SESSION_INITIATE)


def test_a_caller_is_looked_after_before_an_empty_conference_is_forgotten() -> None:
    room = call("audio")
    room.wait(CHECK_INTERVAL_S + 1)
    asked = [[one.id for one in request.endpoints] for request in room.requests]
    assert asked == [[CALLER], []]
