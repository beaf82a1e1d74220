"""The focus on a real, stock XMPP server, with scripted participants and a bridge without media."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import pytest

from carillon.journal import Journal
from carillon.settings.rules import Urls
from component.focus.service import Focus
from component.link import ComponentLink, Limits
from jingle.content import Action, Content
from jingle.element import Jingle, build_jingle
from jingle.jitsi.conference import Conference, build_conference
from jingle.jitsi.mute import Mute, build_mute
from jingle.jitsi.session import BridgeSession
from jingle.rtp import RtpDescription
from tests.component.guest import Guest
from tests.component.prosody import SECRET, SERVERS, RunningServer, running
from tests.component.stub_bridge import StubBridge

LIMITS = Limits(bytes=262144, depth=64, elements=5000, attributes=64)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody announces."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class House:
    """An XMPP server, a bridge stub, and a focus with its own link."""

    def __init__(self, server: RunningServer, bridge: StubBridge) -> None:
        self.server = server
        self.bridge = bridge
        focus = replace(server.settings.focus, bridge=Urls((bridge.url,)))
        self.settings = replace(server.settings, focus=focus)
        self.link = ComponentLink(
            "focus.localhost",
            SECRET,
            ("127.0.0.1", self.settings.xmpp.component_port),
            pinged="localhost",
            limits=LIMITS,
        )
        self.focus = Focus(self.settings, self.link, Journal(None, 0.0))
        self.guests: list[Guest] = []

    async def start(self) -> None:
        await self.focus.start()
        await self.link.start()
        await eventually(lambda: self.link.up)

    async def stop(self) -> None:
        for guest in self.guests:
            await guest.client.close()
        await self.focus.stop()
        await self.link.stop()

    async def guest(self, room: str, nick: str) -> Guest:
        guest = await Guest.login(self.settings, room, nick)
        self.guests.append(guest)
        return guest

    async def meeting(self, room: str, *nicks: str) -> list[Guest]:
        """Guests with active sessions that know each other's sources."""
        guests = [await self.guest(room, nick) for nick in nicks]
        for guest in guests:
            await guest.enter()
        await in_session(guests)
        return guests


async def in_session(guests: list[Guest]) -> None:
    """Have all accept what they are offered, and know each other's sources."""
    for number, guest in enumerate(guests):
        assert (await guest.accept(100 * (number + 1))).get("type") == "result"
    for guest in guests:
        await guest.knows(len(guests) - 1)


ROOMS_FOR_ALL = {
    "prosody": ("restrict_room_creation = true", "restrict_room_creation = false"),
    "ejabberd": ("access_create: focus", "access_create: all"),
}
"""What to change in the configuration where rooms are not made by the focus alone."""

ON_BOTH = pytest.mark.parametrize("house", SERVERS, indirect=True)


@pytest.fixture
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """On a Prosody, or where ON_BOTH says so on an ejabberd."""
    async with house_on(SERVERS[getattr(request, "param", "prosody")](tmp_path)) as house:
        yield house


@contextlib.asynccontextmanager
async def house_on(server: RunningServer) -> AsyncIterator[House]:
    """Everything started on a server that is not."""
    bridge = StubBridge()
    async with running(server), contextlib.AsyncExitStack() as stack:
        await bridge.start()
        stack.push_async_callback(bridge.stop)
        house = House(server, bridge)
        await house.start()
        stack.push_async_callback(house.stop)
        yield house


def condition(answer: Element) -> str:
    assert answer.get("type") == "error", tostring(answer)
    return next(
        child.tag.rpartition("}")[2] for error in answer if error.tag.endswith("}error") for child in error
    )


@ON_BOTH
async def test_a_meeting_from_request_to_leave(house: House) -> None:
    a, b = await house.meeting("meeting", "aaaa1111", "bbbb2222")
    assert a.known_sources() == {"bbbb2222": {200, 201}}
    assert b.known_sources() == {"aaaa1111": {100, 101}}
    assert "aaaa1111" in b.owners and "bbbb2222" not in b.owners
    assert (await b.mute("aaaa1111")).get("type") == "error"
    assert (await a.mute("bbbb2222")).get("type") == "result"
    await b.until(lambda: b.muted)
    assert b.muted[0].muted and b.muted[0].actor == f"{a.room}/aaaa1111"
    told = house.bridge.requests
    await eventually(lambda: any(one.force_mute_audio for request in told for one in request.endpoints))
    add = RtpDescription("video", sources=(b.source("video", 209),))
    sid = (await b.offered()).sid
    assert (await b.tell(Jingle(Action.SOURCE_ADD, sid, contents=(Content("video", description=add),)))).get(
        "type"
    ) == "result"
    await a.until(lambda: a.known_sources()["bbbb2222"] == {200, 201, 209})
    a.leave()
    await b.until(lambda: "bbbb2222" in b.owners)
    await b.until(lambda: b.presences["aaaa1111"].get("type") == "unavailable")
    b.leave()
    await eventually(lambda: not house.bridge.conferences and not house.focus._rooms)


@ON_BOTH
async def test_who_comes_before_the_focus_is_refused_and_may_come_again(house: House) -> None:
    guests = [await house.guest("eager", nick) for nick in ("aaaa1111", "bbbb2222")]
    for guest in guests:
        guest.join()
        await guest.until(lambda: guest.presences)  # noqa: B023
        assert guest.presences[guest.nick].get("type") == "error"
    for guest in guests:
        await guest.enter()
    await in_session(guests)


@pytest.mark.parametrize("kind", SERVERS)
async def test_where_everybody_makes_rooms_the_focus_may_come_last(tmp_path: Path, kind: str) -> None:
    server = SERVERS[kind](tmp_path)
    server.edit = lambda text: text.replace(*ROOMS_FOR_ALL[kind])
    async with house_on(server) as house:
        guests = [await house.guest("open", nick) for nick in ("aaaa1111", "bbbb2222")]
        for guest in guests:
            guest.join()
            await guest.until(lambda: guest.nick in guest.presences)  # noqa: B023
        assert (await guests[0].request()).ready
        await in_session(guests)
        assert "focus" in guests[0].owners


@ON_BOTH
async def test_a_third_who_joins_late_is_offered_all_sources(house: House) -> None:
    await house.meeting("late", "aaaa1111", "bbbb2222")
    third = await house.guest("late", "cccc3333")
    await third.enter()
    await third.accept(300)
    assert third.known_sources() == {"aaaa1111": {100, 101}, "bbbb2222": {200, 201}}
    first = house.guests[0]
    await first.until(lambda: first.known_sources().get("cccc3333") == {300, 301})


async def test_twenty_pairs_in_the_same_instant_are_all_ready_at_once(house: House) -> None:
    pairs = [
        [await house.guest(f"pair{number}", f"{side}{number:07}") for side in "ab"] for number in range(20)
    ]
    guests = [guest for pair in pairs for guest in pair]
    answers = await asyncio.gather(*(guest.request() for guest in guests))
    assert [answer.ready for answer in answers] == [True] * 40
    for guest in guests:
        guest.join()
    await asyncio.gather(*(guest.offered() for guest in guests))
    waits = [guest.invited_at - guest.joined_at for guest in guests]
    print(
        f"40 joins at once: own presence → session-initiate median {statistics.median(waits) * 1000:.0f} ms"
    )
    assert len(house.bridge.conferences) == 20


async def test_joining_takes_milliseconds(house: House) -> None:
    waits: list[float] = []
    for number in range(10):
        first, second = [await house.guest(f"quick{number}", nick) for nick in ("aaaa1111", "bbbb2222")]
        await first.enter()
        await second.enter()
        await second.offered()
        waits.append(second.invited_at - second.joined_at)
    print(f"second joiner: own presence → session-initiate median {statistics.median(waits) * 1000:.1f} ms")
    assert statistics.median(waits) < 1.0


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        ("room@other.example", "not-allowed"),
        ("guest@guest.localhost", "not-allowed"),
        ("conference.localhost", "jid-malformed"),
        ("room@conference.localhost/nick", "jid-malformed"),
        (f"{'x' * 2000}@conference.localhost", "jid-malformed"),
        ("<b>@conference.localhost", "jid-malformed"),
        ("a\u202eb@conference.localhost", "jid-malformed"),
    ],
)
async def test_wrong_rooms_are_refused_without_a_try(house: House, room: str, expected: str) -> None:
    guest = await house.guest("x", "aaaa1111")
    async with asyncio.timeout(2):
        answer = await guest.ask(build_conference(Conference(room)), "focus.localhost")
    assert condition(answer) == expected
    assert not house.focus._rooms


async def test_one_guest_starts_only_so_many_rooms(house: House) -> None:
    guest = await house.guest("x", "aaaa1111")
    limit = house.settings.focus.max_rooms_per_user
    for number in range(limit):
        answer = await guest.ask(
            build_conference(Conference(f"r{number}@conference.localhost")), "focus.localhost"
        )
        assert answer.get("type") == "result"
    answer = await guest.ask(build_conference(Conference("more@conference.localhost")), "focus.localhost")
    assert condition(answer) == "policy-violation"


async def test_outsiders_reach_nothing(house: House) -> None:
    a, _ = await house.meeting("closed", "aaaa1111", "bbbb2222")
    outsider = await house.guest("closed", "aaaa1111")
    sid = (await a.offered()).sid
    terminate = Jingle(Action.SESSION_TERMINATE, sid, bridge_session=BridgeSession("x", restart=True))
    assert condition(await outsider.tell(terminate)) in {"item-not-found", "not-acceptable"}
    for payload in (build_jingle(terminate), build_mute(Mute("audio", True, f"{a.room}/bbbb2222"))):
        answer = await outsider.ask(payload, "focus@focus.localhost/focus")
        assert condition(answer) == "item-not-found"


async def test_a_restart_gives_a_new_session(house: House) -> None:
    a, b = await house.meeting("restart", "aaaa1111", "bbbb2222")
    offer = await a.offered()
    restart = Jingle(
        Action.SESSION_TERMINATE,
        offer.sid,
        bridge_session=BridgeSession(offer.bridge_session.id if offer.bridge_session else "", restart=True),
    )
    assert (await a.tell(restart)).get("type") == "result"
    await a.until(lambda: len(a.of(Action.SESSION_INITIATE)) == 2)
    assert a.known_sources() == {"bbbb2222": {200, 201}}
    await a.accept(110)
    await b.until(lambda: b.known_sources()["aaaa1111"] == {110, 111})


async def test_a_bridge_that_comes_back_is_found_by_itself(house: House) -> None:
    port = int(house.bridge.url.rpartition(":")[2])
    await house.bridge.stop()
    guests = [await house.guest("healing", nick) for nick in ("aaaa1111", "bbbb2222")]
    for guest in guests:
        await guest.enter()
    tag = "{http://jitsi.org/protocol/focus}bridgeNotAvailable"
    await guests[0].until(
        lambda: "focus" in guests[0].presences and guests[0].presences["focus"].find(tag) is not None
    )
    await house.bridge.start(port)
    for guest in guests:
        await guest.offered()
    await guests[0].until(lambda: guests[0].presences["focus"].find(tag) is None)


@ON_BOTH
async def test_a_meeting_survives_the_loss_of_the_link(house: House) -> None:
    a, b = await house.meeting("outage", "aaaa1111", "bbbb2222")
    assert house.link._shell is not None and house.link._shell.transport is not None
    house.link._shell.transport.abort()
    await eventually(lambda: not house.link.up)
    await eventually(lambda: house.link.up)
    third = await house.guest("outage", "cccc3333")
    await third.enter()
    await third.accept(300)
    await a.until(lambda: a.known_sources().get("cccc3333") == {300, 301})
    assert len(a.of(Action.SESSION_INITIATE)) == 1 and len(b.of(Action.SESSION_INITIATE)) == 1


@pytest.mark.parametrize(
    ("to", "payload"),
    [
        ("focus.localhost", "<conference xmlns='http://jitsi.org/protocol/focus'/>"),
        ("odd@conference.localhost/focus", "<jingle xmlns='urn:xmpp:jingle:1' action='dance' sid='1'/>"),
        ("odd@conference.localhost/focus", "<mute xmlns='http://jitsi.org/jitmeet/audio'>perhaps</mute>"),
    ],
)
async def test_malformed_requests_are_bad_requests(house: House, to: str, payload: str) -> None:
    guest = await house.guest("odd", "aaaa1111")
    await guest.enter()
    await guest.until(lambda: "aaaa1111" in guest.owners)
    assert condition(await guest.client.request(payload, "odd", "set", to)) == "bad-request"


async def test_a_stopped_focus_leaves_nothing_at_the_bridge(house: House) -> None:
    a, _ = await house.meeting("stop", "aaaa1111", "bbbb2222")
    await house.focus.stop()
    assert house.bridge.conferences == {}
    await a.until(lambda: a.presences["focus"].get("type") == "unavailable")
