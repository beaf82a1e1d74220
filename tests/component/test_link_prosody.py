"""The component behind a real XMPP server: nothing that users send drops its stream or keeps others waiting.

After each attack another user must be served within two seconds. (Many requests at once: e2e/test_pipelined.)
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from component.link import ComponentLink
from component.main import Component
from component.stanza import iq
from component.stanza_error import StanzaError
from tests.component.behind_link import link_of, with_link
from tests.component.fake_server import LIMITS, until
from tests.component.prosody import SECRET, SERVERS, Client, RunningServer, running
from tests.component.user_stanzas import user_stanza

SERVED_WITHIN_S = 2.0
EJABBERDS_FOCUS = '      "focus.localhost":\n'
EVIL: dict[str, Callable[[str], str]] = {
    "prosody": lambda text: f'{text}Component "evil.localhost"\n  component_secret = "{SECRET}"\n',
    "ejabberd": lambda text: text.replace(
        EJABBERDS_FOCUS, f'      "evil.localhost":\n        password: "{SECRET}"\n{EJABBERDS_FOCUS}'
    ),
}
"""Adds another component to the server's configuration."""


class Deployment:
    """A server, our component on it, a user who attacks and one who only wants to be served."""

    def __init__(self, server: RunningServer, component: Component) -> None:
        self.server, self.component = server, component
        self.link = component._link
        self.states: list[bool] = []
        self.link.on_state(self.states.append)
        self.clients: list[Client] = []

    async def login(self) -> Client:
        """Another guest."""
        client = await Client.login(self.server.settings)
        self.clients.append(client)
        return client

    async def assert_served(self, client: Client) -> None:
        """The positive control."""
        async with asyncio.timeout(SERVED_WITHIN_S):
            assert await client.ping() == "result"
        assert self.states == [True]


ON_BOTH = pytest.mark.parametrize("deployment", SERVERS, indirect=True)
LINKED = "behind a link on "
ON_ALL = pytest.mark.parametrize(
    "deployment", [*SERVERS, *(f"{LINKED}{name}" for name in SERVERS)], indirect=True
)


@pytest.fixture
async def deployment(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Deployment]:
    """On a Prosody, or where a mark says so on an ejabberd, or with a link between."""
    param = getattr(request, "param", "prosody")
    name = param.removeprefix(LINKED)
    server = SERVERS[name](tmp_path)
    server.edit = EVIL[name]
    async with running(server), AsyncExitStack() as stack:
        if param.startswith(LINKED):
            server.settings = with_link(server.settings)
            await stack.enter_async_context(link_of(server.settings))
        one = Deployment(server, Component(server.settings))
        await one.component.start()
        try:
            await until(lambda: one.link.up)
            yield one
        finally:
            for client in one.clients:
                await client.close()
            await one.component.stop()


def request(payload: str, attributes: str = "", type: str = "set") -> str:
    return f"<iq type='{type}' id='7' to='focus.localhost'{attributes}>{payload}</iq>"


NESTED = "<a xmlns='u'>" * 499 + "</a>" * 499
ERROR, ECHO = "one error", "one error, which repeats the request where the server itself answers"
CUT = "the server cuts the attacker off, or answers itself"
POISON = {
    "3.5 kB nested": (request(NESTED), ERROR),
    "3000 deep": (request("<a>" * 3000 + "</a>" * 3000), ERROR),
    "10000 wide": (request("<a/>" * 10000), ERROR),
    "200 KiB of text": (request("<a xmlns='u'>" + "x" * 204800 + "</a>"), ERROR),
    "300 KiB of text": (request("<a xmlns='u'>" + "x" * 307200 + "</a>"), CUT),
    "5000 attributes": (request("<a xmlns='u'" + "".join(f" a{n}=''" for n in range(5000)) + "/>"), ERROR),
    "5000 attributes of its own": (request("<a/>", "".join(f" a{n}=''" for n in range(5000))), ERROR),
    "5000 namespaces": (request("".join(f"<a xmlns='u{n}'/>" for n in range(4900))), ERROR),
    "4000 prefixes": (request("<a" + "".join(f" xmlns:p{n}='u{n}'" for n in range(4000)) + "/>"), ERROR),
    "prefixed attributes": (request("<a xmlns:p='u' xmlns:q='v' p:a='1' q:a='2' p:xmlns='3'/>"), ERROR),
    "prefix that looks like xml's": (request("<a xmlns:xm='u' xm:lang='x' xmlns:_='v' _:a=''/>"), ERROR),
    "namespace of markup": (request("<a xmlns='&lt;&gt;&quot;&apos;&amp;]]>' b='&lt;/iq>&#10;'/>"), ERROR),
    "no namespace": (request("<a xmlns=''/>"), ERROR),
    "the stream's namespace": (request("<stream:error><stream:a/></stream:error>"), ERROR),
    "the server's namespace": (request("<a xmlns='jabber:server'/>"), ERROR),
    "the component's handshake": (request("<handshake xmlns='jabber:component:accept'>x</handshake>"), ERROR),
    "iq in an iq": (request(request("<ping xmlns='urn:xmpp:ping'/>", type="get")), ERROR),
    "plane-end noncharacters": (request("<a xmlns='u'>\ufdd0\U0001fffe\U0010ffff</a>"), ERROR),
    "noncharacter U+FFFF": (request("<a xmlns='u'>\uffff</a>"), CUT),
    "control characters": (request("<a xmlns='u'>&#x7f;&#x85;&#x9f;\u2028&#13;</a>"), ERROR),
    "bidi, combining, private": (request("<a xmlns='u' b='\u202e\u0300\ue000\U000e0001'/>"), ERROR),
    "CDATA": (request("<a xmlns='u'><![CDATA[</iq><!--]]></a>"), ERROR),
    "comment": (request("<!-- x --><a/>"), CUT),
    "long name": (request(f"<{'n' * 60000} xmlns='u'/>"), ERROR),
    "long id": (f"<iq type='get' id='{'i' * 60000}' to='focus.localhost'><a xmlns='u'/></iq>", None),
    "two payloads": (request("<a xmlns='u'/><b xmlns='u'/>"), ERROR),
    "no payload": (request(""), ERROR),
    "an error as the payload": (request("<error type='cancel'/>"), ERROR),
    "unknown type": (request("<a xmlns='u'/>", type="fetch"), ECHO),
    "unknown get": (request("<a xmlns='u'/>", type="get"), ERROR),
    "unknown set": (request("<a xmlns='u'/>"), ERROR),
    "disco set": (request("<query xmlns='http://jabber.org/protocol/disco#info'/>"), ERROR),
    "disco with bad RSM": (
        request(
            "<query xmlns='http://jabber.org/protocol/disco#items'><set xmlns='http://jabber.org/protocol/rsm'>"
            "<max>-1e9</max></set></query>",
            type="get",
        ),
        None,
    ),
    "forged sender": (request("<a xmlns='u' from='focus@focus.localhost' jid='x' actor='y'/>"), ERROR),
}


@ON_ALL
@pytest.mark.timeout(300)
async def test_poison_gets_one_error_and_costs_nobody_else(deployment: Deployment) -> None:
    other = await deployment.login()
    for name, (stanza, expected) in POISON.items():
        attacker = await deployment.login()
        attacker.write(stanza)
        await deployment.assert_served(other)
        if expected is not CUT:
            await deployment.assert_served(attacker)  # the answer to the poison comes before this one
            (answer,) = attacker.received
            assert len(answer.get("id", "")) in (1, 60000), name
            if expected is not None:
                assert answer.get("type") == "error", name
            if expected is ERROR:
                assert {child.tag.rpartition("}")[2] for child in answer} == {"error"}, name
        await deployment.assert_served(other)


SILENT = {
    "result nobody asked for": "<iq type='result' id='7' to='focus.localhost'><a xmlns='u'/></iq>",
    "error nobody asked for": "<iq type='error' id='7' to='focus.localhost'><error type='cancel'/></iq>",
    "presence": "<presence to='focus@focus.localhost/x'><x xmlns='http://jabber.org/protocol/muc#user'/></presence>",
    "presence error": "<presence type='error' to='focus.localhost'><error/></presence>",
    "subscription": "<presence type='subscribe' to='focus@focus.localhost'/>",
    "probe": "<presence type='probe' to='focus@focus.localhost'/>",
    "message": "<message to='focus@focus.localhost' type='chat'><body>x</body></message>",
    "groupchat": "<message to='focus@focus.localhost/focus' type='groupchat'><subject/></message>",
    "message error": "<message type='error' to='focus.localhost'><error type='cancel'/></message>",
    "message of unknown type": "<message type='shout' to='focus.localhost'><body>x</body></message>",
    "deep message": f"<message to='focus.localhost'>{NESTED}</message>",
    "wide presence": f"<presence to='focus.localhost'>{'<a/>' * 9000}</presence>",
}


@ON_BOTH
@pytest.mark.timeout(300)
async def test_what_asks_nothing_is_not_answered(deployment: Deployment) -> None:
    other, attacker = await deployment.login(), await deployment.login()
    for name, stanza in SILENT.items():
        attacker.write(stanza)
        await deployment.assert_served(attacker)
        ours = [stanza for stanza in attacker.received if "focus.localhost" in stanza.get("from", "")]
        assert ours == [], name
        await deployment.assert_served(other)


@ON_BOTH
@pytest.mark.timeout(300)
async def test_a_sender_whose_jid_no_library_takes_costs_nothing(deployment: Deployment) -> None:
    """A component may send from JIDs that no client can have, and that the server will not take back."""
    other, settings_ = await deployment.login(), deployment.server.settings
    evil = ComponentLink(
        "evil.localhost",
        SECRET,
        (settings_.xmpp.server, settings_.xmpp.component_port),
        pinged="localhost",
        limits=LIMITS,
    )
    await evil.start()
    try:
        await until(lambda: evil.up)
        for sender in ("x@evil.localhost/\U0001f600", "evil.localhost/\u0378", "x y@evil.localhost/\u2028"):
            for payload in ("{urn:xmpp:ping}ping", "{urn:x}unknown"):
                evil.send(iq("get", "focus.localhost", sender, Element(payload), id="7"))
                await deployment.assert_served(other)
        services = Element("{urn:xmpp:extdisco:2}services")
        with pytest.raises(StanzaError, match="forbidden"):
            await evil.request(iq("get", "focus.localhost", "ann@evil.localhost/r", services))
    finally:
        await evil.stop()


@ON_BOTH
async def test_a_restarted_server_has_us_back_within_seconds(deployment: Deployment) -> None:
    await deployment.server.kill()
    await until(lambda: not deployment.link.up)
    trouble = deployment.component.trouble()
    assert trouble is not None
    await deployment.server.start()
    async with asyncio.timeout(3):
        await until(lambda: deployment.component.trouble() is None)
    assert deployment.link.up
    assert await (await deployment.login()).ping() == "result"


async def test_each_reason_not_to_be_connected_is_told_apart(deployment: Deployment) -> None:
    server = deployment.server
    troubles = {
        "refuses the secret for focus.localhost": server.with_secret("another"),
        "knows no component other.localhost": server.with_domain("other.localhost"),
    }
    for words, its_settings in troubles.items():
        with structlog.testing.capture_logs() as logs:
            component = Component(its_settings)
            assert component.trouble() == "connecting to the XMPP server"
            await component.start()
            try:
                await until(lambda: component._link.loss is not None)  # noqa: B023
                assert words in (component.trouble() or "")
            finally:
                await component.stop()
        hosts = [log["component"] for log in logs if log.get("reason")]
        assert hosts and len(hosts) == len(set(hosts))  # one line for each of the links
    await deployment.assert_served(await deployment.login())


async def test_a_server_without_a_calls_host_is_enough_for_meetings(deployment: Deployment) -> None:
    settings = deployment.server.settings
    without = replace(settings, calls=replace(settings.calls, domain="nocalls.localhost"))
    await deployment.component.stop()
    component = Component(without)
    with structlog.testing.capture_logs() as logs:
        await component.start()
        try:
            await until(lambda: component.trouble() is None)
            assert ("nocalls.localhost", "host-unknown") in [
                (log.get("component"), log.get("reason")) for log in logs
            ]
        finally:
            await component.stop()


async def test_another_process_with_our_name_is_told(deployment: Deployment) -> None:
    """The configuration lets the newer connection win, so that a restarted component need not wait."""
    second = Component(deployment.server.settings)
    await second.start()
    try:
        await until(lambda: second._link.up and deployment.link.loss is not None)
        assert "another process is connected" in (deployment.component.trouble() or "")
    finally:
        await second.stop()
    async with asyncio.timeout(5):
        await until(lambda: deployment.link.up)


BATCH = 20
GENERATED = max(2000, settings.default.max_examples if settings.default else 0)
"""2,000 stanzas, and as many as the profile `fuzz` asks for."""


class Fuzz:
    """A deployment that lives from one example to the next."""

    def __init__(self, server: RunningServer) -> None:
        self._stack = AsyncExitStack()
        self._server = server

    async def open(self) -> None:
        """Start all, with an attacker and a user to serve."""
        server = await self._stack.enter_async_context(running(self._server))
        component = Component(server.settings)
        self.deployment = Deployment(server, component)
        await component.start()
        self._stack.push_async_callback(component.stop)
        await until(lambda: self.deployment.link.up)
        self.attacker, self.user = await self.deployment.login(), await self.deployment.login()

    async def attack(self, stanzas: list[bytes]) -> None:
        """Send them all, and see whether the user is served and the session still the first."""
        if self.attacker.closed:
            await self.attacker.close()
            self.attacker = await self.deployment.login()
        self.attacker.write(b"".join(stanzas))
        await self.deployment.assert_served(self.user)
        if not self.attacker.closed:
            with contextlib.suppress(TimeoutError):  # the server may be about to cut it off
                await self.attacker.ping()
        self.attacker.received.clear()
        await self.deployment.assert_served(self.user)

    async def close(self) -> None:
        """Stop all."""
        for client in self.deployment.clients:
            await client.close()
        await self._stack.aclose()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("server", SERVERS)
def test_no_generated_stanza_costs_the_session(tmp_path: Path, server: str) -> None:
    with asyncio.Runner() as runner:
        fuzz = Fuzz(SERVERS[server](tmp_path))
        runner.run(fuzz.open())

        @settings(max_examples=GENERATED // BATCH, suppress_health_check=list(HealthCheck), deadline=None)
        @given(st.lists(st.integers(0, 2**64 - 1), min_size=BATCH, max_size=BATCH, unique=True))
        def attack(seeds: list[int]) -> None:
            runner.run(fuzz.attack([user_stanza(seed) for seed in seeds]))

        try:
            attack()
            assert fuzz.deployment.states == [True]
        finally:
            runner.run(fuzz.close())
