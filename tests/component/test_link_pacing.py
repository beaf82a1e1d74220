"""Whose stanza is acted on when: who asks much waits, in order, and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from xml.etree.ElementTree import Element, SubElement

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from component.link import pacing as pacing_module
from component.link.dispatch import Dispatch
from component.link.pacing import BURST, STANZAS_PER_TURN, Pacing, Verdict
from component.link.requests import Requests
from component.stanza import iq, message
from component.stanza_error import read_error

DOMAIN = "focus.example"
PING = "{urn:xmpp:ping}ping"


def ping(sender: str, number: int = 0) -> Element:
    return iq("get", DOMAIN, sender, Element(PING), id=str(number))


def act(_: Element) -> None:
    """What these tests do with a stanza."""


def verdicts(pacing: Pacing, sender: str, count: int, now: float = 0.0) -> list[Verdict]:
    return [pacing.arrived(ping(sender, number), act, now) for number in range(count)]


def turn(pacing: Pacing) -> list[tuple[str, int]]:
    """Senders and numbers of the stanzas of a turn."""
    return [(stanza.get("from", ""), int(stanza.get("id", "0"))) for _, stanza in pacing.turn()]


def test_a_burst_is_free_and_what_comes_beyond_waits() -> None:
    pacing = Pacing()
    assert verdicts(pacing, "a@b/c", BURST + 2) == [Verdict.NOW] * BURST + [Verdict.LATER] * 2
    assert turn(pacing) == [("a@b/c", BURST), ("a@b/c", BURST + 1)]
    assert not pacing


def test_who_asks_little_never_waits_for_who_asks_much() -> None:
    pacing = Pacing()
    verdicts(pacing, "much@b/c", 1000)
    assert verdicts(pacing, "little@b/c", 5) == [Verdict.NOW] * 5


def test_a_quiet_time_gives_the_burst_back() -> None:
    pacing = Pacing()
    verdicts(pacing, "a@b/c", BURST)
    assert verdicts(pacing, "a@b/c", BURST, now=10.0) == [Verdict.NOW] * BURST


@pytest.mark.parametrize("type", ["result", "error"])
def test_answers_to_us_never_wait(type: str) -> None:
    pacing = Pacing()
    verdicts(pacing, "a@b/c", BURST + 1)
    answer = ping("a@b/c")
    answer.set("type", type)
    assert pacing.arrived(answer, act, 0.0) is Verdict.NOW


def test_what_a_server_sends_itself_never_waits() -> None:
    assert verdicts(Pacing(), "example", 2 * BURST) == [Verdict.NOW] * 2 * BURST


def passed_on(server: str, user: str) -> Element:
    """A user's request to the server's domain that the server has us answer (XEP-0355 §4.3)."""
    delegation = Element("{urn:xmpp:delegation:2}delegation")
    SubElement(SubElement(delegation, "{urn:xmpp:forward:0}forwarded"), "{jabber:client}iq", {"from": user})
    return iq("set", DOMAIN, server, delegation)


def test_of_what_a_server_passes_on_each_user_has_a_share() -> None:
    pacing = Pacing()
    much, little = passed_on("example", "much@example/c"), passed_on("example", "little@example/c")
    assert [pacing.arrived(much, act, 0.0) for _ in range(BURST + 1)][-1] is Verdict.LATER
    assert pacing.arrived(little, act, 0.0) is Verdict.NOW


def test_no_other_server_uses_up_the_share_of_a_user() -> None:
    pacing = Pacing()
    forged = passed_on("evil.example", "a@b/c")
    for _ in range(BURST + 1):
        pacing.arrived(forged, act, 0.0)
    assert pacing.arrived(passed_on("example", "a@b/c"), act, 0.0) is Verdict.NOW
    assert pacing.arrived(ping("a@b/c"), act, 0.0) is Verdict.NOW


def test_messages_are_not_counted_but_stay_behind_the_requests_before_them() -> None:
    pacing = Pacing()
    said = message("chat", DOMAIN, "a@b/c")
    assert [pacing.arrived(said, act, 0.0) for _ in range(2 * BURST)] == [Verdict.NOW] * 2 * BURST
    verdicts(pacing, "a@b/c", BURST + 1)
    assert pacing.arrived(said, act, 0.0) is Verdict.LATER
    assert [stanza.tag for _, stanza in pacing.turn()] == [ping("").tag, said.tag]


def test_those_who_wait_take_turns() -> None:
    pacing = Pacing()
    for sender in ("a@b/c", "d@e/f"):
        verdicts(pacing, sender, BURST + 100)
    senders = [sender for sender, _ in turn(pacing)]
    assert len(senders) == STANZAS_PER_TURN
    assert senders == (["a@b/c", "d@e/f"] * STANZAS_PER_TURN)[:STANZAS_PER_TURN]


def test_one_sender_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing_module, "MAX_WAITING_BYTES_PER_SENDER", 5000)
    pacing = Pacing()
    answers = verdicts(pacing, "a@b/c", BURST + 10)
    assert answers[-1] is Verdict.TOO_MUCH
    long = ping("a@b/c")
    long[0].text = "x" * 5000
    assert pacing.arrived(long, act, 0.0) is Verdict.TOO_MUCH
    assert verdicts(pacing, "d@e/f", BURST + 1)[-1] is Verdict.LATER


def test_all_senders_together_cannot_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing_module, "MAX_WAITING_BYTES", 5000)
    pacing = Pacing()
    last = [verdicts(pacing, f"a{number}@b/c", BURST + 1)[-1] for number in range(10)]
    assert last[0] is Verdict.LATER
    assert last[-1] is Verdict.TOO_MUCH
    while pacing:
        turn(pacing)
    assert verdicts(pacing, "a@b/c", BURST + 1)[-1] is Verdict.LATER


@given(st.lists(st.one_of(st.none(), st.sampled_from("abc")), max_size=80))
def test_nothing_is_lost_doubled_or_out_of_its_senders_order(events: list[str | None]) -> None:
    """A letter is a request of that sender, none is a turn."""
    pacing = Pacing()
    sent: list[tuple[str, int]] = []
    acted: list[tuple[str, int]] = []
    for sender in "abc":
        verdicts(pacing, f"{sender}@b/c", BURST)
    for number, event in enumerate(events):
        if event is None:
            acted += turn(pacing)
            continue
        sent.append((f"{event}@b/c", number))
        if pacing.arrived(ping(*sent[-1]), act, 0.0) is Verdict.NOW:
            acted.append(sent[-1])
    while pacing:
        acted += turn(pacing)
    assert sorted(acted) == sorted(sent)
    for sender in "abc":
        own = [one for one in acted if one[0].startswith(sender)]
        assert own == sorted(own)


class Desk:
    """A dispatch for which no time passes; it answers pings and keeps the answers by id and type."""

    def __init__(self) -> None:
        self.sent: list[tuple[str | None, str | None]] = []
        self.conditions: set[str] = set()
        self.dispatch = Dispatch(DOMAIN, Requests(), self._send, lambda: 0.0)
        self.dispatch.on_iq("get", PING, lambda iq: None)

    def _send(self, stanza: Element) -> None:
        self.sent.append((stanza.get("id"), stanza.get("type")))
        if stanza.get("type") == "error":
            self.conditions.add(read_error(stanza).condition)

    def ask(self, count: int, receive: Callable[[Element], None] | None = None) -> None:
        for number in range(count):
            (receive or self.dispatch.receive)(ping("a@b/c", number))

    async def has_sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.sent) < count:  # noqa: ASYNC110
                await asyncio.sleep(0)


async def test_all_are_answered_in_order_in_the_end() -> None:
    desk = Desk()
    desk.ask(BURST + 50)
    assert len(desk.sent) == BURST
    await desk.has_sent(BURST + 50)
    assert desk.sent == [(str(number), "result") for number in range(BURST + 50)]


async def test_stanzas_beyond_a_limit_are_refused_at_the_same_pace() -> None:
    desk = Desk()
    desk.ask(BURST + 20, desk.dispatch.refuse)
    assert len(desk.sent) == BURST
    await desk.has_sent(BURST + 20)
    assert desk.conditions == {"policy-violation"}


async def test_what_has_no_room_to_wait_is_refused_and_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing_module, "MAX_WAITING_BYTES_PER_SENDER", 0)
    desk = Desk()
    with structlog.testing.capture_logs() as logs:
        desk.ask(BURST + 2)
    assert desk.conditions == {"resource-constraint"}
    assert [log["sender"] for log in logs] == ["a@b/c"]


async def test_what_waits_is_forgotten_with_its_session() -> None:
    desk = Desk()
    desk.ask(BURST + 20)
    desk.dispatch.end_session()
    desk.ask(1)
    await desk.has_sent(BURST + 1)
    assert desk.sent[BURST:] == [("0", "result")]
