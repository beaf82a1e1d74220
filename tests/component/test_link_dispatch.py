"""Which handler gets a stanza, and what is answered when there is none or it fails."""

import asyncio
from collections.abc import Awaitable, Callable
from xml.etree.ElementTree import Element, SubElement

import pytest
import structlog
from hypothesis import given

from component.link import dispatch as dispatch_module
from component.link.dispatch import Dispatch
from component.link.requests import Requests
from component.stanza import Kind, iq, message, presence
from component.stanza_error import StanzaError, read_error
from tests.component.elements import NAMESPACES, stanzas

DOMAIN = "focus.example"
QUERY = "{urn:x}query"


class Desk:
    """A dispatch that keeps what it sends."""

    def __init__(self) -> None:
        self.sent: list[Element] = []
        self.dispatch = Dispatch(DOMAIN, Requests(), self.sent.append)

    def ask(self, sender: str = "a@b/c", type: str = "get", to: str = DOMAIN) -> None:
        request = iq("get", to, sender, Element(QUERY), id="7")
        request.set("type", type)
        self.dispatch.receive(request)

    def error(self) -> str:
        (answer,) = self.sent
        assert answer.get("type") == "error"
        assert (answer.get("to"), answer.get("id")) == ("a@b/c", "7")
        return read_error(answer).condition


@pytest.mark.parametrize("to", [DOMAIN, f"focus@{DOMAIN}", f"focus@{DOMAIN}/x", f"{DOMAIN}/a@other"])
def test_any_address_of_the_domain_reaches_the_handler(to: str) -> None:
    desk = Desk()
    desk.dispatch.on_iq("get", QUERY, lambda request: Element("{urn:x}answer", {"to": request.get("to", "")}))
    desk.ask(to=to)
    (answer,) = desk.sent
    assert (answer.get("type"), answer.get("from"), answer[0].get("to")) == ("result", to, to)


@pytest.mark.parametrize("to", ["other.example", f"{DOMAIN}@other.example", f"x.{DOMAIN}", ""])
def test_no_other_domain_does(to: str) -> None:
    desk = Desk()
    desk.dispatch.on_iq("get", QUERY, lambda request: None)
    with structlog.testing.capture_logs() as logs:
        desk.ask(to=to)
        desk.ask(to=to)
    assert desk.sent == []
    assert len(logs) == 1


def test_a_set_is_not_a_get() -> None:
    desk = Desk()
    desk.dispatch.on_iq("get", QUERY, lambda request: None)
    desk.ask(type="set")
    assert desk.error() == "service-unavailable"


def test_one_request_has_one_handler() -> None:
    desk = Desk()
    desk.dispatch.on_iq("get", QUERY, lambda request: None)
    with pytest.raises(ValueError, match="two handlers"):
        desk.dispatch.on_iq("get", QUERY, lambda request: None)


def fail(error: Exception) -> Callable[[Element], Element | None]:
    def handler(_: Element) -> Element | None:
        raise error

    return handler


def fail_later(error: Exception) -> Callable[[Element], Awaitable[Element | None]]:
    async def handler(_: Element) -> Element | None:
        await asyncio.sleep(0)
        raise error

    return handler


@pytest.mark.parametrize("failing", [fail, fail_later])
@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (StanzaError("item-not-found"), "item-not-found"),
        (KeyError("payload"), "internal-server-error"),
        (RecursionError("payload"), "internal-server-error"),
    ],
)
async def test_a_handler_that_fails_answers_with_an_error_and_logs_no_payload(
    failing: Callable[[Exception], Callable[[Element], Awaitable[Element | None]]],
    error: Exception,
    condition: str,
) -> None:
    desk = Desk()
    desk.dispatch.on_iq("get", QUERY, failing(error))
    with structlog.testing.capture_logs() as logs:
        desk.ask()
        for _ in range(3):
            await asyncio.sleep(0)
    assert desk.error() == condition
    assert "payload" not in str([log["error"] for log in logs])
    assert len(logs) == (0 if isinstance(error, StanzaError) else 1)


async def test_handlers_that_wait_run_beside_each_other() -> None:
    desk, gates = Desk(), {"a@b/1": asyncio.Event(), "a@b/2": asyncio.Event()}

    async def wait(request: Element) -> None:
        await gates[request.get("from", "")].wait()

    desk.dispatch.on_iq("get", QUERY, wait)
    desk.ask("a@b/1")
    desk.ask("a@b/2")
    for sender in ("a@b/2", "a@b/1"):
        gates[sender].set()
        for _ in range(5):
            await asyncio.sleep(0)
    assert [answer.get("to") for answer in desk.sent] == ["a@b/2", "a@b/1"]


async def test_one_peer_cannot_take_the_places_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "MAX_RUNNING_PER_PEER", 20)
    desk, gate = Desk(), asyncio.Event()

    async def wait(_: Element) -> None:
        await gate.wait()

    desk.dispatch.on_iq("get", QUERY, wait)
    for _ in range(dispatch_module.MAX_RUNNING_PER_PEER + 1):
        desk.ask()
    assert desk.error() == "resource-constraint"
    desk.ask("other@b/c")
    assert len(desk.sent) == 1
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(desk.sent) == dispatch_module.MAX_RUNNING_PER_PEER + 2
    assert not desk.dispatch._running
    assert not desk.dispatch._tasks


async def test_all_peers_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "MAX_RUNNING", 3)
    desk, gate = Desk(), asyncio.Event()

    async def wait(_: Element) -> None:
        await gate.wait()

    desk.dispatch.on_iq("get", QUERY, wait)
    for number in range(4):
        desk.ask(f"a@b/{number}")
    assert [read_error(answer).condition for answer in desk.sent] == ["resource-constraint"]
    await asyncio.sleep(0)
    desk.dispatch.cancel()


async def test_a_handler_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_module, "HANDLER_TIMEOUT_S", 0.01)
    desk = Desk()

    async def hang(_: Element) -> None:
        await asyncio.Event().wait()

    desk.dispatch.on_iq("get", QUERY, hang)
    desk.ask()
    while not desk.sent:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    assert desk.error() == "internal-server-error"


def test_every_handler_gets_presences_and_messages_even_when_one_fails() -> None:
    desk = Desk()
    seen: list[Element] = []

    def fail(_: Element) -> None:
        raise ZeroDivisionError

    for kind in (Kind.PRESENCE, Kind.MESSAGE):
        desk.dispatch.on_stanza(kind, fail)
        desk.dispatch.on_stanza(kind, seen.append)
    stanzas_ = [presence(DOMAIN, "a@b", type="error"), message("groupchat", DOMAIN, "a@b")]
    for stanza in stanzas_:
        desk.dispatch.receive(stanza)
    assert seen == stanzas_
    assert desk.sent == []


@given(stanzas(NAMESPACES))
def test_no_stanza_raises_anything_and_none_gets_two_answers(stanza: Element) -> None:
    desk = Desk()
    desk.dispatch.on_iq("get", "{urn:x}a", lambda request: SubElement(Element("x"), "y"))
    stanza.set("to", DOMAIN)
    desk.dispatch.receive(stanza)
    desk.dispatch.refuse(stanza)
    assert len(desk.sent) <= 2
