"""Callers that do what no caller does: each gets the protocol's error, and nobody else suffers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import pytest

from component.calls import metrics, reasons
from component.calls.admission import SAID_BURST
from jingle.content import Action, Content, Reason, SessionInfo
from jingle.element import Jingle, build_jingle
from jingle.jitsi.mute import Mute, build_mute
from jingle.jmi import Invitation, Step, build_invitation
from jingle.rtp import PayloadType
from jingle.sources import Source
from tests.component.call_under_test import STANZA_JS
from tests.component.calls_house import ECHO, Caller, House, running

LOUNGE = "lounge@calls.localhost/bridge"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with running(tmp_path) as house:
        yield house


def conditions(answer: Element) -> set[str]:
    """The conditions of an error answer; empty for a result."""
    return {
        child.tag.rpartition("}")[2] for error in answer for child in error if error.tag.endswith("}error")
    }


def ends(caller: Caller) -> dict[str, Reason]:
    """Why which sessions were ended."""
    return {
        one.sid: one.reason for one in caller.told() if one.action is Action.SESSION_TERMINATE and one.reason
    }


async def in_lounge(house: House) -> tuple[Caller, str]:
    """A caller that is in the room; and its nick there."""
    guest = await house.guest("lounge", "aaaa1111")
    await guest.enter()
    caller = await house.caller()
    await caller.ask(LOUNGE, STANZA_JS)
    await guest.accept(100)
    await guest.knows(1)
    await caller.get(Action.SESSION_ACCEPT)
    (nick,) = guest.known_sources()
    return caller, nick


async def test_a_flood_of_calls_takes_nobody_elses_place(house: House) -> None:
    caller, other = await house.caller(), await house.caller()
    for number in range(60):
        answer = await caller.ask(ECHO, replace(STANZA_JS, sid=f"flood{number}"))
        assert answer.get("type") == "result"
    await caller.until(lambda: len(ends(caller)) == 57)
    assert {reason.condition for reason in ends(caller).values()} == {"busy"}
    assert all(reason.text for reason in ends(caller).values())
    assert len([one for one in caller.told() if one.action is Action.SESSION_ACCEPT]) == 3
    assert len(caller.words()) <= 11
    await other.ask(ECHO, STANZA_JS)
    assert await other.get(Action.SESSION_ACCEPT)


async def test_a_flood_of_requests_is_answered_by_waiting(house: House) -> None:
    caller = await house.caller()
    await caller.ask(ECHO, STANZA_JS)
    await caller.get(Action.SESSION_ACCEPT)
    info = Jingle(Action.SESSION_INFO, STANZA_JS.sid)
    answers = await asyncio.gather(*(caller.ask(ECHO, info) for _ in range(1000)))
    refused = [one for one in map(conditions, answers) if one]
    assert refused and set().union(*refused) == {"resource-constraint", "text"}
    other = await house.caller()
    assert not conditions(await other.ask(ECHO, STANZA_JS))


async def test_descriptions_beyond_all_measure_are_refused(house: House) -> None:
    caller = await house.caller()
    content = STANZA_JS.contents[0]
    assert content.description is not None
    codecs = tuple(PayloadType(number % 128, "opus", 48000) for number in range(200))
    sources = tuple(Source(number) for number in range(1, 1100))
    before = metrics.REFUSED.labels("jingle", "bad-request")._value.get()
    for description in (
        replace(content.description, payload_types=codecs),
        replace(content.description, sources=sources),
    ):
        huge = replace(content, description=description)
        answer = await caller.ask(ECHO, replace(STANZA_JS, contents=(huge,), groups=()))
        assert conditions(answer) & {"bad-request", "resource-constraint", "policy-violation"}
    many = tuple(replace(content, name=str(number)) for number in range(20))
    assert conditions(await caller.ask(ECHO, replace(STANZA_JS, contents=many)))
    assert metrics.REFUSED.labels("jingle", "bad-request")._value.get() > before
    assert not house.bridge.requests


async def test_requests_in_the_wrong_order_have_the_errors_of_jingle(house: House) -> None:
    caller = await house.caller()
    sid, one = STANZA_JS.sid, (Content("0"),)
    assert "unknown-session" in conditions(await caller.ask(ECHO, Jingle(Action.SESSION_ACCEPT, sid)))
    await caller.ask(ECHO, STANZA_JS)
    await caller.get(Action.SESSION_ACCEPT)
    expected = {
        Action.SESSION_INITIATE: "out-of-order",
        Action.SESSION_ACCEPT: "out-of-order",
        Action.CONTENT_ACCEPT: "out-of-order",
        Action.CONTENT_REJECT: "out-of-order",
        Action.TRANSPORT_ACCEPT: "out-of-order",
        Action.TRANSPORT_REJECT: "out-of-order",
        Action.SOURCE_ADD: "feature-not-implemented",
        Action.SOURCE_REMOVE: "feature-not-implemented",
    }
    for action, condition in expected.items():
        assert condition in conditions(await caller.ask(ECHO, Jingle(action, sid, contents=one))), action
    dtmf = "<dtmf xmlns='urn:xmpp:jingle:dtmf:0' code='5'/>"
    request = tostring(build_jingle(Jingle(Action.SESSION_INFO, sid)), encoding="unicode")
    request = request.replace("/>", f">{dtmf}</{request[1:].partition(' ')[0]}>")
    answer = await caller.client.request(request, "dtmf", "set", ECHO)
    assert conditions(answer) == {"feature-not-implemented", "unsupported-info"}
    assert not ends(caller) and not conditions(await caller.ask(ECHO, Jingle(Action.SESSION_INFO, sid)))


async def test_a_sid_is_the_callers_own_and_of_one_callee(house: House) -> None:
    first, second = await house.caller(), await house.caller()
    for caller in (first, second):
        await caller.ask(ECHO, STANZA_JS)
        await caller.get(Action.SESSION_ACCEPT)
    assert "out-of-order" in conditions(await first.ask(LOUNGE, STANZA_JS))
    end = Jingle(Action.SESSION_TERMINATE, STANZA_JS.sid, reason=Reason("success"))
    assert "unknown-session" in conditions(await first.ask(LOUNGE, end))
    assert not conditions(await first.ask(ECHO, end))
    assert "unknown-session" in conditions(await first.ask(ECHO, end))
    assert not conditions(await second.ask(ECHO, Jingle(Action.SESSION_INFO, STANZA_JS.sid)))


async def test_replayed_and_foreign_proposals_change_nothing(house: House) -> None:
    caller, mallory = await house.caller(), await house.caller()
    caller.propose("echo@calls.localhost", "mine")
    await caller.until(lambda: Step.PROCEED in caller.steps())
    for step in (Step.RETRACT, Step.FINISH, Step.PROCEED, Step.ACCEPT):
        forged = tostring(build_invitation(Invitation(step, "mine")), encoding="unicode")
        mallory.say("echo@calls.localhost", forged)
    for number in range(100):
        mallory.propose("echo@calls.localhost", f"flood{number}")
    await mallory.until(lambda: len(mallory.steps()) >= 20)
    for _ in range(5):
        caller.propose("echo@calls.localhost", "mine")
    await caller.ask(ECHO, replace(STANZA_JS, sid="mine"))
    await caller.get(Action.SESSION_ACCEPT)
    await caller.ask(ECHO, Jingle(Action.SESSION_TERMINATE, "mine", reason=Reason("success")))
    await caller.until(lambda: Step.FINISH in caller.steps())
    assert caller.steps() == [Step.RINGING, Step.PROCEED, Step.FINISH]
    steps = Counter(mallory.steps())
    assert steps[Step.PROCEED] <= 21 and steps[Step.RINGING] <= 21


async def test_nobody_in_the_room_can_speak_for_the_focus(house: House) -> None:
    caller, nick = await in_lounge(house)
    mallory = await house.guest("lounge", "bbbb2222")
    await mallory.enter()
    occupant = f"lounge@conference.localhost/{nick}"
    offer = Jingle(Action.SESSION_INITIATE, "forged", contents=STANZA_JS.contents)
    end = Jingle(Action.SESSION_TERMINATE, STANZA_JS.sid, reason=Reason("success"))
    for jingle in (offer, end, Jingle(Action.SESSION_INFO, STANZA_JS.sid)):
        assert "unknown-session" in conditions(await mallory.ask(build_jingle(jingle), occupant))
    order = build_mute(Mute("audio", True, actor="lounge@conference.localhost/aaaa1111"))
    assert "forbidden" in conditions(await mallory.ask(order, occupant))
    assert conditions(await mallory.ask(build_jingle(end), f"lounge@calls.localhost/{nick}"))
    assert not caller.words() and not ends(caller)


async def test_what_is_written_is_passed_on_and_a_flood_is_not(house: House) -> None:
    caller, nick = await in_lounge(house)
    mallory = await house.guest("lounge", "bbbb2222")
    await mallory.enter()
    await mallory.until(lambda: nick in mallory.presences)

    def in_room() -> list[str]:
        return [
            body.text or ""
            for one in mallory.client.received
            if one.get("type") == "groupchat" and one.get("from", "").endswith(nick)
            for body in one
            if body.tag.endswith("}body")
        ]

    caller.say("lounge@calls.localhost", "<body>hello</body>")
    await mallory.until(in_room)
    secret = (
        "<body>wrapped</body><encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl'/>"
    )
    caller.say("lounge@calls.localhost", secret)
    await caller.until(lambda: any("Encrypted" in one for one in caller.words()))
    for number in range(40):
        caller.say(LOUNGE, f"<body>spam {number}</body>")
    await caller.until(
        lambda: any(
            one.get("type") == "error" for one in caller.client.received if one.tag.endswith("message")
        )
    )
    mallory.client.write(
        "<message to='lounge@conference.localhost' type='groupchat'><body>the last</body></message>"
    )
    await caller.until(lambda: any(one.endswith(": the last") for one in caller.words()))
    assert len(in_room()) <= SAID_BURST + 3 and "wrapped" not in in_room()
    assert not [one for one in caller.words() if "hello" in one or "spam" in one]


async def test_who_does_not_know_the_pin_is_told_and_hung_up_on(tmp_path: Path) -> None:
    async with running(tmp_path, rooms="pin") as house:
        caller = await house.caller()
        caller.propose("lounge@calls.localhost", "proposed")
        await caller.ask(LOUNGE, STANZA_JS)
        await caller.get(Action.SESSION_INFO)
        for number in range(7):
            caller.say(LOUNGE, f"<body>pin {number}</body>")
        end = await caller.get(Action.SESSION_TERMINATE)
        assert end.reason == reasons.WRONG_PIN
        await caller.until(lambda: Step.REJECT in caller.steps())
        caller.say(LOUNGE, "<body>pin 4711</body>")
        await caller.ask(LOUNGE, replace(STANZA_JS, sid="again"))
        await asyncio.sleep(0.2)
        assert not [one for one in caller.told() if one.action is Action.SESSION_ACCEPT]


async def test_a_caller_that_goes_offline_is_out_of_the_room(house: House) -> None:
    guest = await house.guest("lounge", "aaaa1111")
    await guest.enter()
    caller = await house.caller()
    caller.client.write("<presence to='lounge@calls.localhost'/>")
    await caller.ask(LOUNGE, STANZA_JS)
    await guest.accept(100)
    await guest.knows(1)
    (nick,) = guest.known_sources()
    await caller.client.close()
    house.people.remove(caller.client)
    await guest.until(lambda: guest.presences[nick].get("type") == "unavailable")


async def test_the_room_sees_video_come_and_go(house: House) -> None:
    guest = await house.guest("lounge", "aaaa1111")
    await guest.enter()
    caller = await house.caller()
    await caller.ask(LOUNGE, replace(STANZA_JS, contents=STANZA_JS.contents[:1]))
    await guest.accept(100)
    await guest.knows(1)
    await caller.get(Action.SESSION_ACCEPT)
    (nick,) = guest.known_sources()
    assert len(guest.known_sources()[nick]) == 1
    added = Jingle(Action.CONTENT_ADD, STANZA_JS.sid, contents=STANZA_JS.contents[1:])
    assert not conditions(await caller.ask(LOUNGE, added))
    accept = await caller.get(Action.CONTENT_ACCEPT)
    assert [one.name for one in accept.contents] == ["1"]
    await guest.until(lambda: len(guest.known_sources()[nick]) == 2)
    # The guest shows nothing: the caller is told that there is no picture.
    await caller.until(lambda: SessionInfo("mute", "1", "initiator") in [one.info for one in caller.told()])
    removed = Jingle(Action.CONTENT_REMOVE, STANZA_JS.sid, contents=(Content("1"),))
    assert not conditions(await caller.ask(LOUNGE, removed))
    await guest.until(lambda: len(guest.known_sources()[nick]) == 1)
