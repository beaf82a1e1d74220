"""Who is told when the services change, and what (XEP-0215 §3.2)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon import credentials
from carillon.journal import Journal
from carillon.settings import TurnSettings, parse
from component import stanza as stanzas
from component.delegation import Delegation
from component.external_services import MAX_ASKERS, NAMESPACES, PUSHES_AT_A_TIME, ExternalServices
from component.link import LinkDown, RequestTimeout
from component.offered_services import Offer, Service, changes
from component.stanza_error import StanzaError
from tests.component.fake_link import FakeLink

NOW = 1_800_000_000.0
TURN = replace(
    parse("", Path("/nowhere/carillon.toml")).turn,
    **{"advertise": "relay.example", "udp_port": 3478, "tcp_port": 443, "credential_ttl_s": 3600},  # type: ignore[arg-type]
)
MOVED = replace(TURN, tcp_port=80)


class AnsweringLink(FakeLink):
    """Its peers answer what is pushed to them, as `answer` has it."""

    def __init__(self) -> None:
        super().__init__()
        self.pushed: list[Element] = []
        self.waiting = self.most_waiting = 0
        self.answer: Callable[[str], None] = lambda jid: None

    async def request(self, iq: Element, timeout_s: float = 15.0) -> Element:
        stanzas.serialise(iq)
        self.pushed.append(iq)
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        await asyncio.sleep(0)
        self.waiting -= 1
        self.answer(iq.get("to", ""))
        return iq


class House:
    """The service, a clock that stands still, and people who ask."""

    def __init__(self) -> None:
        self.now = NOW
        self.link = AnsweringLink()
        domains = frozenset(("example",))
        self.delegation = Delegation(self.link, domains, Journal(None, 0.0))
        self.service = ExternalServices(
            self.link, self.delegation, TURN, "north", domains, clock=lambda: self.now
        )

    def ask(
        self, jid: str = "ann@example/r", namespace: str = NAMESPACES[0], type: str | None = None
    ) -> None:
        self.link.ask(Element(f"{{{namespace}}}services", {"type": type} if type else {}), jid)

    async def reload(self, turn: TurnSettings, secret: str = "north") -> list[Element]:
        """What is pushed after it."""
        self.link.pushed.clear()
        self.service.reload(turn, secret)
        if self.service._pushing is not None:
            await self.service._pushing
        return list(self.link.pushed)


def told(push: Element) -> list[tuple[str, str, str]]:
    """Action, transport and port of each service in a push."""
    return [(entry.get("action", ""), entry.get("transport", ""), entry.get("port", "")) for entry in push[0]]


async def test_who_has_asked_is_told_what_is_gone_and_what_has_come() -> None:
    house = House()
    house.ask()
    (push,) = await house.reload(MOVED)
    assert (push.get("type"), push.get("to"), push.get("from")) == ("set", "ann@example/r", "focus.example")
    assert push[0].tag == f"{{{NAMESPACES[0]}}}services"
    assert told(push) == [("remove", "tcp", "443"), ("add", "tcp", "80")]
    gone, come = push[0]
    assert "username" not in gone.keys()  # noqa: SIM118
    assert come.get("password") == credentials.password_of("north", "1800003600:ann@example")


async def test_nothing_is_pushed_when_nothing_changed() -> None:
    house = House()
    house.ask()
    assert await house.reload(replace(TURN, relay_ports=(50000, 50100))) == []


async def test_another_secret_makes_all_credentials_others() -> None:
    house = House()
    house.ask()
    (push,) = await house.reload(TURN, "south")
    assert told(push) == [("modify", "udp", "3478"), ("modify", "tcp", "443")]
    assert {entry.get("password") for entry in push[0]} == {
        credentials.password_of("south", "1800003600:ann@example")
    }


async def test_each_is_told_what_changed_since_they_were_told_last() -> None:
    house = House()
    house.ask("ann@example/r")
    assert len(await house.reload(MOVED)) == 1
    house.ask("bob@example/r")
    first, second = await house.reload(replace(MOVED, tls_port=5349, tls_host="turn.example"))
    assert {first.get("to"), second.get("to")} == {"ann@example/r", "bob@example/r"}
    assert told(first) == told(second) == [("add", "tcp", "5349")]
    house.ask("carol@example/r")
    (push,) = [push for push in await house.reload(MOVED) if push.get("to") == "carol@example/r"]
    assert told(push) == [("remove", "tcp", "5349")]


async def test_who_asked_for_one_type_hears_of_that_type_alone() -> None:
    house = House()
    house.ask("ann@example/r", type="stun")
    house.ask("bob@example/r", type="turn")
    (push,) = await house.reload(MOVED)
    assert (push.get("to"), push[0].get("type")) == ("bob@example/r", "turn")


async def test_the_old_version_hears_of_new_services_without_an_action_and_never_of_the_end_of_one() -> None:
    house = House()
    house.ask(namespace=NAMESPACES[1])
    (push,) = await house.reload(replace(TURN, tls_port=5349, tls_host="turn.example"))
    assert push[0].tag == f"{{{NAMESPACES[1]}}}services"
    assert told(push) == [("", "tcp", "5349")]
    assert await house.reload(TURN) == []


async def test_whoever_was_told_longer_ago_than_credentials_live_is_not_told() -> None:
    house = House()
    house.ask()
    house.now += TURN.credential_ttl_s
    assert await house.reload(MOVED) == []


@pytest.mark.parametrize("answer", [StanzaError("service-unavailable"), RequestTimeout()])
async def test_who_is_gone_is_not_told_again(answer: Exception) -> None:
    house = House()
    house.ask()

    def gone(jid: str) -> None:
        raise answer

    house.link.answer = gone
    assert len(await house.reload(MOVED)) == 1
    assert await house.reload(TURN) == []


async def test_what_a_lost_session_swallowed_is_told_in_the_next() -> None:
    house = House()
    house.ask()

    def lost(jid: str) -> None:
        raise LinkDown

    house.link.answer = lost
    await house.reload(MOVED)
    house.link.answer = lambda jid: None
    (push,) = await house.reload(replace(MOVED, udp_port=3479))
    assert {entry.get("action") for entry in push[0]} == {"add", "remove"}
    assert len(push[0]) == 6


async def test_a_change_during_a_push_is_told_to_all() -> None:
    house = House()
    for number in range(3 * PUSHES_AT_A_TIME):
        house.ask(f"u{number}@example/r")
    house.service.reload(MOVED, "north")
    for _ in range(2):
        await asyncio.sleep(0)
    assert 0 < len(house.link.pushed) < 3 * PUSHES_AT_A_TIME
    house.service.reload(TURN, "north")
    assert house.service._pushing is not None
    await house.service._pushing
    last = {push.get("to"): told(push) for push in house.link.pushed}
    assert all(news == [("remove", "tcp", "80"), ("add", "tcp", "443")] for news in last.values())
    assert len(last) == PUSHES_AT_A_TIME  # the others know nothing else


SERVICES = st.builds(
    Service, st.sampled_from(["turn", "stun"]), st.just("udp"), st.just("h"), st.integers(1, 4), st.booleans()
)
OFFERS = st.builds(Offer, st.lists(SERVICES, unique=True, max_size=6).map(tuple), st.integers(0, 1))


@given(OFFERS, OFFERS)
def test_who_applies_the_changes_to_what_was_knows_what_is(before: Offer, after: Offer) -> None:
    known = set(before.services)
    for entry in changes(before, after):
        assert (entry.service in known) == (entry.action != "add")
        if entry.action == "remove":
            known.remove(entry.service)
        known |= {entry.service} if entry.action == "add" else set()
    assert known == set(after.services)
    assert (changes(before, after) == []) or before != after


async def test_pushes_and_those_remembered_are_bounded() -> None:
    house = House()
    for number in range(MAX_ASKERS + 10):
        house.ask(f"u{number}@example/r")
    pushes = await house.reload(MOVED)
    assert {push.get("to") for push in pushes} == {
        f"u{number}@example/r" for number in range(10, MAX_ASKERS + 10)
    }
    assert house.link.most_waiting == PUSHES_AT_A_TIME


async def test_a_type_that_is_none_is_not_kept() -> None:
    house = House()
    house.ask(type="x" * 100_000)
    assert len(house.service._askers) == 0


async def test_who_asked_the_server_hears_nothing_in_its_name() -> None:
    house = House()
    server = "example"
    said = Element("{urn:xmpp:delegation:2}delegation")
    said.append(Element("{urn:xmpp:delegation:2}delegated", {"namespace": NAMESPACES[0]}))
    house.link.deliver(stanzas.message("normal", "focus.example", server, said))
    inner = Element("{jabber:client}iq", {"type": "get", "id": "1", "from": "ann@example/r", "to": server})
    inner.append(Element(f"{{{NAMESPACES[0]}}}services"))
    wrapped = Element("{urn:xmpp:delegation:2}delegation")
    wrapped.append(Element("{urn:xmpp:forward:0}forwarded"))
    wrapped[0].append(inner)
    house.link.ask(wrapped, server, type="set")
    assert await house.reload(MOVED) == []
