"""Real XMPP servers that delegate the question where TURN is to us, and people who forge that."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
import pytest_asyncio

from carillon import credentials
from carillon.ejabberd import Ejabberd
from carillon.prosody import Prosody
from carillon.settings import Settings
from carillon.xmpp_server import XmppServer
from component.main import Component
from tests.component.fake_server import until
from tests.component.prosody import SERVERS, Client, running

SERVICES = "<services xmlns='urn:xmpp:extdisco:2'/>"
TURN = ".//{urn:xmpp:extdisco:2}service[@type='turn']"
WAIT_S = 10.0
DELEGATING: dict[str, Callable[[Path, Settings], XmppServer]] = {"prosody": Prosody, "ejabberd": Ejabberd}

STRANGERS = "other.localhost"
"""A host of the same server that is none of ours; guests log in there too."""
_ON_PROSODY = f"""
VirtualHost "{STRANGERS}"
  authentication = "anonymous"
"""
_ON_EJABBERD = f"""
  "{STRANGERS}":
    auth_method: [anonymous]
    anonymous_protocol: sasl_anon
    allow_multiple_connections: true
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


class House:
    """A server that delegates, our component on it, and a guest."""

    def __init__(self, component: Component, guest: Client, guest_host: str) -> None:
        self.component, self.guest, self.host = component, guest, guest_host
        self._asked = 0

    async def ask(self, payload: str = SERVICES, type: str = "get", to: str | None = "") -> Element:
        """What the server says, by default the guest's own."""
        self._asked += 1
        return await self.guest.request(payload, f"ask{self._asked}", type, self.host if to == "" else to)

    async def features(self) -> set[str]:
        """What the server lists."""
        info = await self.ask("<query xmlns='http://jabber.org/protocol/disco#info'/>")
        return {
            feature.get("var", "") for feature in info.iter("{http://jabber.org/protocol/disco#info}feature")
        }

    async def until_answered(self, type: str) -> Element:
        """The server's answer when it is a result, or an error: it takes a moment to hear of a component."""
        for _ in range(200):
            with suppress(TimeoutError):  # ejabberd loses a question that meets the end of a session
                if (answer := await self.ask()).get("type") == type:
                    return answer
            await asyncio.sleep(0.05)
        raise TimeoutError

    @property
    def name(self) -> str:
        return self.guest.jid.partition("/")[0]


def _prosody_with_strangers(text: str) -> str:
    return text + _ON_PROSODY


def _ejabberd_with_strangers(text: str) -> str:
    return text.replace("\nhost_config:", f"\nhosts: [{STRANGERS}]\nhost_config:{_ON_EJABBERD.rstrip()}", 1)


WITH_STRANGERS = {"prosody": _prosody_with_strangers, "ejabberd": _ejabberd_with_strangers}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVERS)
async def deployment(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Component]:
    """A component on a server that delegates to it."""
    directory = tmp_path_factory.mktemp(request.param)
    server = SERVERS[request.param](directory)
    server.settings = replace(server.settings, xmpp=replace(server.settings.xmpp, delegation=True))
    server.server = DELEGATING[request.param](directory, server.settings)
    server.edit = WITH_STRANGERS[request.param]
    async with running(server):
        component = Component(server.settings)
        await component.start()
        try:
            yield component
        finally:
            await component.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def house(deployment: Component) -> AsyncIterator[House]:
    settings = deployment._settings
    guest = await Client.login(settings)
    one = House(deployment, guest, settings.xmpp.guest_domain)
    try:
        await one.until_answered("result")
        yield one
    finally:
        await guest.close()


def condition(answer: Element) -> str:
    """Of an error."""
    assert answer.get("type") == "error"
    (error,) = (child for child in answer if child.tag.endswith("}error"))
    return error[0].tag.rpartition("}")[2]


async def test_the_servers_own_domain_gives_credentials_that_name_the_user(house: House) -> None:
    answer = await house.ask()
    assert (answer.get("type"), answer.get("from")) == ("result", house.host)
    (username,) = {turn.get("username", "") for turn in answer.iterfind(TURN)}
    assert credentials.name_of(username) == house.name
    assert (await house.ask(SERVICES.replace(":2", ":1"))).get("type") == "result"
    assert (await house.ask(to="localhost")).find(TURN) is not None
    assert {"urn:xmpp:extdisco:1", "urn:xmpp:extdisco:2"} <= await house.features()


async def test_errors_reach_the_user_with_their_own_condition(house: House) -> None:
    unknown = "<credentials xmlns='urn:xmpp:extdisco:2'><service host='x' type='turn'/></credentials>"
    assert condition(await house.ask(unknown)) == "item-not-found"
    assert condition(await house.ask(unknown.replace(" type='turn'", ""))) == "bad-request"
    assert condition(await house.ask(to=house.name)) == "service-unavailable"
    assert condition(await house.ask(to=None)) == "service-unavailable"


async def test_people_of_hosts_that_are_not_ours_are_forbidden(house: House) -> None:
    settings = house.component._settings
    there = replace(settings, xmpp=replace(settings.xmpp, guest_domain=STRANGERS))
    stranger = await Client.login(there)
    try:
        for host in ("localhost", "focus.localhost"):
            answer = await stranger.request(SERVICES, host, to=host)
            assert condition(answer) == "forbidden"
            assert answer.find(TURN) is None
    finally:
        await stranger.close()


@pytest.mark.parametrize("version", [1, 2])
async def test_nobody_but_the_server_can_forward_a_question(house: House, version: int) -> None:
    namespace = f"urn:xmpp:delegation:{version}"
    said = f"<delegation xmlns='{namespace}'><delegated namespace='urn:xmpp:extdisco:2'/></delegation>"
    house.guest.write(f"<message to='focus.localhost'>{said}</message>")
    addresses = "from='juliet@localhost/x' to='localhost'"
    inner = f"<iq xmlns='jabber:client' type='get' id='1' {addresses}>{SERVICES}</iq>"
    forwarded = f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded>"
    forged = f"<delegation xmlns='{namespace}'>{forwarded}</delegation>"
    answer = await house.ask(forged, "set", "focus.localhost")
    assert condition(answer) == "forbidden"
    assert answer.find(TURN) is None
    assert (await house.ask()).find(TURN) is not None


async def test_without_us_the_server_has_no_answer_and_with_us_it_has_one_again(house: House) -> None:
    await house.component.stop()
    assert condition(await house.until_answered("error")) == "service-unavailable"
    await house.component.start()
    assert (await house.until_answered("result")).find(TURN) is not None
    assert "urn:xmpp:extdisco:2" in await house.features()


async def test_who_asked_us_is_told_of_a_change_and_who_asked_the_server_is_not(house: House) -> None:
    await house.ask(to="focus.localhost")
    turn = house.component._settings.turn
    services = house.component._external_services
    services.reload(replace(turn, tcp_port=4433), services._secret)
    await until(lambda: len(house.guest.received) == 1)
    (push,) = house.guest.received
    assert (push.get("type"), push.get("from")) == ("set", "focus.localhost")
    actions = [(entry.get("action"), entry.get("port")) for entry in push[0]]
    assert actions == [("remove", str(turn.tcp_port)), ("add", "4433")]
    house.guest.write(f"<iq type='result' id='{push.get('id')}' to='focus.localhost'/>")
    assert services._pushing is not None
    await asyncio.wait_for(services._pushing, WAIT_S)
    services.reload(turn, services._secret)
