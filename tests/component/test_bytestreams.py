"""The bytestream proxy's XMPP face: what it says of itself, where it is, who may activate what."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from carillon.settings import Settings, parse
from component import stanza as stanzas
from component.bytestreams.activation import ACTIVATE, MAX_SID_CHARS, QUERY, parse_activation
from component.bytestreams.service import BURST, Bytestreams
from component.disco import DISCO_INFO_NS, DISCO_ITEMS_NS
from component.main import Component
from component.stanza_error import StanzaError, read_error
from tests.component.elements import stanzas as any_stanzas
from tests.component.fake_link import FakeLink
from tests.component.prosody import settings_in

ANN, BOB = "ann@example.org/desk", "bob@guest.example.org/phone"
HOST = "proxy.example.org"
STREAMHOST = "{http://jabber.org/protocol/bytestreams}streamhost"


def settings(text: str = "", control: str = "relay.sock") -> Settings:
    base = f'[xmpp]\ndomain = "example.org"\n[turn]\ncontrol = "{control}"\n[socks5]\n'
    return parse(base + text, Path("/nonexistent/carillon.toml"))


def proxy(text: str = "", clock: Callable[[], float] = lambda: 0.0) -> FakeLink:
    link = FakeLink(HOST)
    Bytestreams(settings(text), link, clock)
    return link


@asynccontextmanager
async def started(control: Path) -> AsyncIterator[FakeLink]:
    """The proxy of the relay on this socket."""
    link = FakeLink(HOST)
    service = Bytestreams(settings(control=str(control)), link, lambda: 0.0)
    await service.start()
    try:
        yield link
    finally:
        await service.stop()


def activation(sid: str | None = "s1", *targets: str) -> Element:
    query = Element(QUERY, {"sid": sid} if sid is not None else {})
    for target in targets:
        SubElement(query, ACTIVATE).text = target
    return query


async def activate(link: FakeLink, payload: Element, sender: str = ANN, to: str = HOST) -> str:
    """Ask; the condition that refuses it, "" when it was done."""
    link._dispatch.receive(stanzas.iq("set", to, sender, payload, id="7"))
    await asyncio.gather(*link._dispatch._tasks)
    answer = link.sent.pop()
    assert (answer.get("to"), answer.get("id"), link.sent) == (sender, "7", [])
    return read_error(answer).condition if answer.get("type") == "error" else ""


class Relay:
    """What answers in the relay's place: it keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answer: Callable[[], web.Response] = lambda: web.Response(status=204)

    async def _activate(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json() | {"hash": request.match_info["digest"]})
        return self.answer()

    @asynccontextmanager
    async def running(self, path: Path) -> AsyncIterator[None]:
        app = web.Application()
        app.add_routes([web.put("/socks5/streams/{digest}", self._activate)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, str(path)).start()
        try:
            yield
        finally:
            await runner.cleanup()


@pytest.mark.parametrize("enabled", [True, False])
def test_switched_off_there_is_no_such_host(tmp_path: Path, enabled: bool) -> None:
    found = settings_in(tmp_path)
    component = Component(replace(found, socks5=replace(found.socks5, enabled=enabled)))
    assert ("proxy.localhost" in {link.domain for link in component._links}) == enabled


def test_it_is_found_as_a_bytestream_proxy() -> None:
    info = proxy().ask(Element(f"{{{DISCO_INFO_NS}}}query"))
    (identity,) = info.findall(f"{{{DISCO_INFO_NS}}}identity")
    assert (identity.get("category"), identity.get("type")) == ("proxy", "bytestreams")
    features = {feature.get("var") for feature in info.findall(f"{{{DISCO_INFO_NS}}}feature")}
    assert "http://jabber.org/protocol/bytestreams" in features
    assert "http://jitsi.org/protocol/focus" not in features
    assert len(proxy().ask(Element(f"{{{DISCO_ITEMS_NS}}}query"))) == 0


def test_the_address_is_told_to_people_and_guests() -> None:
    for asker in (ANN, BOB):
        (host,) = proxy('advertise = "192.0.2.1"').ask(Element(QUERY), asker)
        assert (host.tag, dict(host.items())) == (
            STREAMHOST,
            {"jid": HOST, "host": "192.0.2.1", "port": "1080"},
        )


def test_every_address_is_a_streamhost_in_the_order_of_the_configuration() -> None:
    answer = proxy('advertise = ["files.example.org", "192.0.2.1", "2001:db8::1"]\nport = 7777').ask(
        Element(QUERY), ANN
    )
    assert [(host.get("host"), host.get("port")) for host in answer] == [
        ("files.example.org", "7777"),
        ("192.0.2.1", "7777"),
        ("2001:db8::1", "7777"),
    ]


def test_a_sid_comes_back_and_the_next_answer_has_none() -> None:
    link = proxy()
    assert link.ask(Element(QUERY, {"sid": "s1"}), ANN).get("sid") == "s1"
    assert link.ask(Element(QUERY), ANN).get("sid") is None


@pytest.mark.parametrize("asker", ["eve@elsewhere.org/r", "example.org.evil", "eve@sub.example.org"])
async def test_strangers_get_neither_address_nor_stream(asker: str) -> None:
    with pytest.raises(StanzaError, match="forbidden"):
        proxy().ask(Element(QUERY), asker)
    assert await activate(proxy(), activation("s1", BOB), asker) == "forbidden"


def test_other_domains_are_let_in_by_name() -> None:
    assert len(proxy('remote_domains = ["elsewhere.org"]').ask(Element(QUERY), "eve@elsewhere.org/r")) == 1


async def test_addresses_at_the_host_are_nobody() -> None:
    with pytest.raises(StanzaError, match="service-unavailable"):
        proxy().ask(Element(QUERY), ANN, to=f"x@{HOST}")
    assert await activate(proxy(), activation("s1", BOB), to=f"x@{HOST}") == "service-unavailable"


def test_requests_have_a_rate_for_each_user() -> None:
    now = 0.0
    link = proxy(clock=lambda: now)
    for _ in range(int(BURST)):
        link.ask(Element(QUERY), ANN)
    with pytest.raises(StanzaError, match="resource-constraint"):
        link.ask(Element(QUERY), "ann@example.org/another")
    link.ask(Element(QUERY), BOB)
    now = 1.0
    link.ask(Element(QUERY), ANN)


async def test_the_relay_is_asked_for_the_stream_of_who_asks(tmp_path: Path) -> None:
    relay = Relay()
    async with relay.running(tmp_path / "r"), started(tmp_path / "r") as link:
        assert await activate(link, activation("s1", f" {BOB}\n")) == ""
    digest = hashlib.sha1(f"s1{ANN}{BOB}".encode()).hexdigest()
    assert relay.asked == [
        {"hash": digest, "initiator": "ann@example.org", "target": "bob@guest.example.org"}
    ]


async def test_an_activation_that_a_process_before_this_one_has_carried_out_may_come_again(
    tmp_path: Path,
) -> None:
    relay = Relay()
    relay.answer = lambda: web.json_response({"condition": "conflict"}, status=409)
    async with relay.running(tmp_path / "r"), started(tmp_path / "r") as link:
        assert await activate(link, activation("s1", BOB)) == ""


@pytest.mark.parametrize("condition", ["item-not-found", "not-allowed", "resource-constraint"])
async def test_the_relays_refusal_is_the_answer(tmp_path: Path, condition: str) -> None:
    relay = Relay()
    relay.answer = lambda: web.json_response({"condition": condition}, status=409)
    async with relay.running(tmp_path / "r"), started(tmp_path / "r") as link:
        assert await activate(link, activation("s1", BOB)) == condition


@pytest.mark.parametrize(
    ("text", "status"),
    [("", 500), ("{", 404), ('{"condition": "no-such"}', 409), ('{"condition": []}', 409), ("[]", 409)],
)
async def test_a_relay_that_talks_nonsense_is_our_own_fault(tmp_path: Path, text: str, status: int) -> None:
    relay = Relay()
    relay.answer = lambda: web.Response(text=text, status=status, content_type="application/json")
    async with relay.running(tmp_path / "r"), started(tmp_path / "r") as link:
        assert await activate(link, activation("s1", BOB)) == "internal-server-error"


async def test_a_relay_that_is_away_is_found_again_when_it_is_back(tmp_path: Path) -> None:
    relay = Relay()
    async with started(tmp_path / "r") as link:
        for _ in range(2):
            assert await activate(link, activation("s1", BOB)) == "internal-server-error"
            async with relay.running(tmp_path / "r"):
                assert await activate(link, activation("s1", BOB)) == ""
            (tmp_path / "r").unlink(missing_ok=True)


async def test_a_relay_that_was_restarted_is_asked_at_once(tmp_path: Path) -> None:
    relay = Relay()
    async with started(tmp_path / "r") as link:
        for _ in range(2):
            async with relay.running(tmp_path / "r"):
                assert await activate(link, activation("s1", BOB)) == ""
            (tmp_path / "r").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("payload", "condition"),
    [
        (activation(None, BOB), "bad-request"),
        (activation("", BOB), "bad-request"),
        (activation("s" * (MAX_SID_CHARS + 1), BOB), "bad-request"),
        (activation("s1"), "bad-request"),
        (activation("s1", BOB, ANN), "bad-request"),
        (activation("s1", ""), "jid-malformed"),
        (activation("s1", "@example.org"), "jid-malformed"),
        (activation("s1", "bob@"), "jid-malformed"),
        (activation("s1", "bob@example.org/"), "jid-malformed"),
        (activation("s1", "b" * 1024 + "@example.org"), "jid-malformed"),
        (activation("s1", "bob@exam\nple.org"), "jid-malformed"),
    ],
)
async def test_a_wrong_request_never_reaches_the_relay(payload: Element, condition: str) -> None:
    assert await activate(proxy(), payload) == condition


@pytest.mark.parametrize("target", ["bob@example.org", "example.org", "room@muc.example.org/Bob / Bobby"])
def test_any_jid_may_be_the_target(target: str) -> None:
    found = parse_activation(stanzas.iq("set", HOST, ANN, activation("s1", target)))
    assert found.digest == hashlib.sha1(f"s1{ANN}{target}".encode()).hexdigest()


@given(any_stanzas(st.sampled_from(["http://jabber.org/protocol/bytestreams", "urn:x"])))
def test_any_request_is_read_or_refused(stanza: Element) -> None:
    if not len(stanza):
        stanza.append(activation("s1"))
    try:
        found = parse_activation(stanza)
    except StanzaError as error:
        assert error.condition in ("bad-request", "jid-malformed")
    else:
        assert len(found.digest) == 40


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_sid_and_target_are_read_or_refused(sid: Any, target: Any) -> None:
    try:
        found = parse_activation(stanzas.iq("set", HOST, ANN, activation(sid, target)))
    except StanzaError as error:
        assert error.condition in ("bad-request", "jid-malformed")
    else:
        assert (found.sid, found.target) == (sid, target.strip())
