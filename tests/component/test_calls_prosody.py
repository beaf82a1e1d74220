"""Calls through a real, stock Prosody, with focus and calls on their own links and a bridge without media."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from component.focus.occupant import NICK
from jingle.content import Action, Content, Reason, SessionInfo
from jingle.element import Jingle
from jingle.jitsi.presence import parse_participant
from jingle.jmi import Step
from tests.component.call_under_test import DINO, GAJIM, STANZA_JS
from tests.component.calls_house import ECHO, House, running


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running(tmp_path) as house:
        yield house


async def test_the_echo_test_is_an_endpoint_that_hears_itself(house: House) -> None:
    caller = await house.caller()
    assert (await caller.ask(ECHO, STANZA_JS)).get("type") == "result"
    accept = await caller.get(Action.SESSION_ACCEPT)
    assert accept.sid == STANZA_JS.sid and [one.name for one in accept.contents] == ["0", "1"]
    (request,) = house.bridge.requests
    (endpoint,) = request.endpoints
    assert endpoint.capabilities == ("source-names", "single-stream", "unsignalled-sources", "echo")
    assert endpoint.transport is not None and not endpoint.transport.ice_controlling
    assert endpoint.sources is not None and [one.type for one in endpoint.sources] == ["audio", "video"]
    assert (await caller.ask(ECHO, STANZA_JS)).get("type") == "error"
    await caller.ask(ECHO, Jingle(Action.SESSION_TERMINATE, accept.sid, reason=Reason("success")))
    await caller.until(lambda: not house.bridge.conferences)


async def test_dino_gets_an_endpoint_for_each_content(house: House) -> None:
    caller = await house.caller()
    await caller.ask(ECHO, DINO)
    accept = await caller.get(Action.SESSION_ACCEPT)
    audio, video = (one.transport for one in accept.contents)
    assert audio is not None and video is not None and audio.ufrag + "-video" == video.ufrag
    assert not accept.groups


async def test_a_call_without_encryption_is_ended_in_words(house: House) -> None:
    caller = await house.caller()
    assert (await caller.ask(ECHO, GAJIM)).get("type") == "result"
    end = await caller.get(Action.SESSION_TERMINATE)
    assert end.reason is not None and end.reason.condition == "security-error"
    await caller.until(caller.words)
    assert "encrypted" in caller.words()[0]
    assert not house.bridge.requests


async def test_a_caller_is_in_the_room_under_its_name_with_its_mute_state(house: House) -> None:
    guest = await house.guest("lounge", "aaaa1111")
    await guest.enter()
    caller = await house.caller()
    caller.client.write(
        "<presence to='lounge@calls.localhost'><nick xmlns='http://jabber.org/protocol/nick'>Ada</nick></presence>"
    )
    await caller.ask("lounge@calls.localhost/bridge", STANZA_JS)
    await guest.accept(100)
    await guest.knows(1)
    accept = await caller.get(Action.SESSION_ACCEPT)
    assert [one.name for one in accept.contents] == ["0", "1"]
    (nick,) = guest.known_sources()
    assert guest.presences[nick].findtext(NICK) == "Ada"

    def muted() -> dict[str, bool]:
        return {one.name: one.muted for one in parse_participant(guest.presences[nick]).sources}

    assert muted() == {f"{nick}-a0": False, f"{nick}-v0": False}
    to = "lounge@calls.localhost/bridge"
    await caller.ask(to, Jingle(Action.SESSION_INFO, accept.sid, info=SessionInfo("mute", "0", "initiator")))
    await guest.until(lambda: muted()[f"{nick}-a0"])
    created = {one.id: one for request in house.bridge.requests for one in request.endpoints if one.create}
    assert created[nick].capabilities == ("source-names", "single-stream", "unsignalled-sources")
    told = [
        one for request in house.bridge.requests for one in request.endpoints if one.id == nick and one.media
    ]
    assert [[pt.id for pt in media.payload_types] for media in told[-1].media] == [[111], [96, 97]]
    assert not [one for one in caller.told() if one.action is Action.SOURCE_ADD]
    await caller.ask(to, Jingle(Action.SESSION_TERMINATE, accept.sid, reason=Reason("success")))
    await guest.until(lambda: guest.presences[nick].get("type") == "unavailable")


async def test_a_caller_without_bundle_is_one_participant_with_two_endpoints(house: House) -> None:
    guest = await house.guest("lounge", "aaaa1111")
    await guest.enter()
    caller = await house.caller()
    await caller.ask("lounge@calls.localhost/bridge", DINO)
    await guest.accept(100)
    await guest.knows(1)
    accept = await caller.get(Action.SESSION_ACCEPT)
    (nick,) = guest.known_sources()
    audio, video = (one.transport for one in accept.contents)
    assert audio is not None and video is not None
    assert (audio.ufrag, video.ufrag) == (f"ufrag{nick}", f"ufrag{nick}-video")

    def told(endpoint: str) -> list[str]:
        return [
            source.id
            for request in house.bridge.requests
            for one in request.endpoints
            if one.id == endpoint
            for source in one.sources or ()
        ]

    await caller.until(lambda: told(f"{nick}-video"))
    assert (told(nick), told(f"{nick}-video")) == ([f"{nick}-a0"], [f"{nick}-v0"])
    caller.client.write("<presence to='lounge@calls.localhost' type='unavailable'/>")
    await guest.until(lambda: guest.presences[nick].get("type") == "unavailable")
    gone = {nick, f"{nick}-video"}
    await caller.until(lambda: all(gone.isdisjoint(one) for one in house.bridge.conferences.values()))


async def test_a_caller_alone_in_a_room_is_in_it(house: House) -> None:
    caller = await house.caller()
    await caller.ask("empty@calls.localhost/bridge", STANZA_JS)
    assert (await caller.get(Action.SESSION_ACCEPT)).contents


async def test_a_call_is_proposed_answered_once_and_finished(house: House) -> None:
    caller = await house.caller()
    for _ in range(3):
        caller.propose("echo@calls.localhost", STANZA_JS.sid)
    await caller.ask(ECHO, STANZA_JS)
    await caller.get(Action.SESSION_ACCEPT)
    await caller.ask(ECHO, Jingle(Action.SESSION_TERMINATE, STANZA_JS.sid, reason=Reason("success")))
    await caller.until(lambda: Step.FINISH in caller.steps())
    assert caller.steps() == [Step.RINGING, Step.PROCEED, Step.FINISH]


async def test_presence_and_subscription_are_answered_with_capabilities(house: House) -> None:
    caller = await house.caller()
    caller.say("echo@calls.localhost", "<body>hello</body>")

    def callable_() -> bool:
        return any(
            one.get("from") == ECHO and one.find("{http://jabber.org/protocol/caps}c") is not None
            for one in caller.client.received
            if one.tag.endswith("presence")
        )

    await caller.until(callable_)
    await caller.until(caller.words)
    caller.client.write("<presence/><presence to='lounge@calls.localhost' type='subscribe'/>")
    await caller.until(
        lambda: any(one.get("from", "").startswith("lounge@calls") for one in caller.client.received)
    )


async def test_a_pin_opens_the_door_while_it_rings(tmp_path: Path) -> None:
    async with running(tmp_path, rooms="pin") as house:
        caller = await house.caller()
        await caller.ask("lounge@calls.localhost/bridge", STANZA_JS)
        info = await caller.get(Action.SESSION_INFO)
        assert info.info is not None and info.info.kind == "ringing"
        caller.propose("lounge@calls.localhost", "second")
        await caller.until(lambda: caller.steps() == [Step.RINGING])
        caller.say("lounge@calls.localhost", "<body>pin 0815</body>")
        await caller.until(lambda: any("not the PIN" in text for text in caller.words()))
        assert not [one for one in caller.told() if one.action is Action.SESSION_ACCEPT]
        caller.say("lounge@calls.localhost", "<body>pin 4711</body>")
        await caller.get(Action.SESSION_ACCEPT)
        await caller.until(lambda: caller.steps() == [Step.RINGING, Step.PROCEED])


async def test_closed_rooms_decline(tmp_path: Path) -> None:
    async with running(tmp_path, rooms="closed") as house:
        caller = await house.caller()
        caller.propose("lounge@calls.localhost", "one")
        await caller.until(lambda: caller.steps() == [Step.REJECT])
        await caller.ask("lounge@calls.localhost/bridge", STANZA_JS)
        end = await caller.get(Action.SESSION_TERMINATE)
        assert end.reason is not None and end.reason.condition == "decline"


async def test_a_session_that_is_not_there(house: House) -> None:
    caller = await house.caller()
    answer = await caller.ask(ECHO, Jingle(Action.SESSION_TERMINATE, "nothing", reason=Reason("success")))
    assert answer.get("type") == "error"
    assert any(child.tag.endswith("}unknown-session") for error in answer for child in error)


async def test_hold_and_senders_reach_the_bridge_and_are_taken_back(house: House) -> None:
    guest = await house.guest("lounge", "aaaa1111")
    await guest.enter()
    caller = await house.caller()
    to = "lounge@calls.localhost/bridge"
    await caller.ask(to, STANZA_JS)
    await guest.accept(100)
    await guest.knows(1)
    await caller.get(Action.SESSION_ACCEPT)
    (nick,) = guest.known_sources()

    def pictures() -> list[int]:
        return [
            one.initial_last_n
            for request in house.bridge.requests
            for one in request.endpoints
            if one.id == nick and one.initial_last_n is not None
        ]

    sid = STANZA_JS.sid
    steps = (
        (Jingle(Action.SESSION_INFO, sid, info=SessionInfo("hold")), 0),
        (Jingle(Action.SESSION_INFO, sid, info=SessionInfo("active")), 1),
        (Jingle(Action.CONTENT_MODIFY, sid, contents=(Content("1", senders="initiator"),)), 0),
        (Jingle(Action.CONTENT_MODIFY, sid, contents=(Content("1", senders="both"),)), 1),
    )
    await caller.until(lambda: pictures() == [1])
    for number, (request, last_n) in enumerate(steps, 2):
        assert (await caller.ask(to, request)).get("type") == "result"
        await caller.until(lambda number=number: len(pictures()) == number)
        assert pictures()[-1] == last_n
