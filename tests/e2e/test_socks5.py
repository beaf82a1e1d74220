"""Two slixmpp clients, unchanged, send files through the bytestream proxy that they find by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0065.socks5 import Socks5Protocol

from tests.carillon.xmpp_login import Stream
from tests.dev_server import DevServer

WAIT_S = 15.0
SIZES = (1, 4097, 5000, 8192, 12289)
FILE_BYTES = 32 << 20


@pytest.fixture(scope="module", params=["prosody", "ejabberd"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    directory = tmp_path_factory.mktemp("socks5") / "dev"
    with DevServer(directory, "--server", request.param, "--user", "ann:a", "--user", "bob:b") as server:
        yield server


class Person:
    """A slixmpp client with its plugin for bytestreams."""

    def __init__(self, jid: str, password: str, c2s: tuple[str, int]) -> None:
        self.xmpp: Any = ClientXMPP(
            jid, password, plugin_config={"feature_mechanisms": {"unencrypted_scram": True}}
        )
        self.xmpp.enable_plaintext = True
        self.xmpp.enable_starttls = self.xmpp.enable_direct_tls = False
        self._c2s = c2s
        self.received = bytearray()
        self._arrived = asyncio.Event()
        for plugin in ("xep_0030", "xep_0065"):
            self.xmpp.register_plugin(plugin)
        self.proxies: Any = self.xmpp.plugin["xep_0065"]
        self.proxies.auto_accept = True
        self.xmpp.add_event_handler("socks5_data", self._on_data)

    async def login(self) -> None:
        started = asyncio.get_running_loop().create_future()
        self.xmpp.add_event_handler("session_start", started.set_result)
        self.xmpp.connect(*self._c2s)
        async with asyncio.timeout(WAIT_S):
            await started

    @property
    def jid(self) -> str:
        return self.xmpp.boundjid.full  # type: ignore[no-any-return]

    async def send(self, stream: Socks5Protocol, data: bytes) -> None:
        for start in range(0, len(data), 1 << 16):
            await stream.write(data[start : start + (1 << 16)])  # type: ignore[no-untyped-call]

    async def receive(self, size: int) -> bytes:
        async with asyncio.timeout(WAIT_S):
            while len(self.received) < size:
                self._arrived.clear()
                await self._arrived.wait()
        data = bytes(self.received)
        self.received.clear()
        return data

    def _on_data(self, data: bytes) -> None:
        self.received += data
        self._arrived.set()

    async def logout(self) -> None:
        for stream in self.proxies._sessions.values():  # the plugin's own close() closes none
            stream.transport.close()
        await self.xmpp.disconnect()


@pytest.fixture
async def people(house: DevServer) -> AsyncIterator[tuple[Person, Person]]:
    c2s = tuple(house.endpoints["c2s"])
    people = Person("ann@localhost", "a", c2s), Person("bob@localhost", "b", c2s)
    for person in people:
        await person.login()
    yield people
    for person in people:
        with contextlib.suppress(TimeoutError):
            await person.logout()


async def handshake(ann: Person, bob: Person, sid: str | None = None) -> Socks5Protocol:
    """A stream from one to the other."""
    async with asyncio.timeout(WAIT_S):
        stream = await ann.proxies.handshake(bob.jid, sid=sid)
    assert isinstance(stream, Socks5Protocol)
    return stream


async def test_clients_find_the_proxy_by_discovery(house: DevServer, people: tuple[Person, Person]) -> None:
    found = await people[0].proxies.discover_proxies()
    ip, port = house.endpoints["socks5"]
    assert {str(jid): address for jid, address in found.items()} == {
        house.endpoints["proxy"]: (ip, str(port))
    }


async def test_a_large_file_arrives_whole(people: tuple[Person, Person]) -> None:
    ann, bob = people
    data = random.Random(1).randbytes(FILE_BYTES)
    stream = await handshake(ann, bob)
    sending = asyncio.create_task(ann.send(stream, data))
    assert hashlib.sha256(await bob.receive(len(data))).digest() == hashlib.sha256(data).digest()
    await sending


async def test_sizes_whose_tails_others_lose_arrive_without_an_end(people: tuple[Person, Person]) -> None:
    ann, bob = people
    for size in SIZES:
        data = random.Random(size).randbytes(size)
        stream = await handshake(ann, bob)
        await ann.send(stream, data)
        assert await bob.receive(size) == data


async def test_a_third_connection_is_refused_and_hurts_nobody(
    house: DevServer, people: tuple[Person, Person]
) -> None:
    ann, bob = people
    stream = await handshake(ann, bob, "spied")
    digest = hashlib.sha1(f"spied{ann.jid}{bob.jid}".encode()).hexdigest()
    reader, writer = await asyncio.open_connection(*house.endpoints["socks5"])
    writer.write(b"\5\1\0\5\1\0\3\x28" + digest.encode() + b"\0\0")
    async with asyncio.timeout(WAIT_S):
        assert (await reader.read(-1))[:4] == b"\5\0\5\2"
    writer.close()
    await ann.send(stream, b"not for you")
    assert await bob.receive(11) == b"not for you"


async def test_only_the_requester_activates(people: tuple[Person, Person]) -> None:
    ann, bob = people
    await handshake(ann, bob, "ours")
    with pytest.raises(IqError) as caught:
        await bob.proxies.activate("proxy.localhost", "ours", ann.jid, timeout=WAIT_S)
    assert caught.value.condition == "item-not-found"


async def test_to_activate_again_does_no_harm(people: tuple[Person, Person]) -> None:
    """A component that was killed with the answer under way gets the request again."""
    ann, bob = people
    stream = await handshake(ann, bob, "ours")
    await ann.proxies.activate("proxy.localhost", "ours", bob.jid, timeout=WAIT_S)
    await ann.send(stream, b"still one stream")
    assert await bob.receive(16) == b"still one stream"


async def test_a_relay_that_was_killed_takes_new_streams_when_it_is_back(
    house: DevServer, people: tuple[Person, Person]
) -> None:
    ann, bob = people
    await handshake(ann, bob)
    before = house.endpoints["pids"]["relay"]
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(WAIT_S):
        while house.endpoints["pids"]["relay"] in (before, None):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    stream = await handshake(ann, bob)
    await ann.send(stream, b"again")
    assert await bob.receive(5) == b"again"


def test_guests_find_it_too(house: DevServer) -> None:
    host, port = house.endpoints["c2s"]
    guests = house.endpoints["guest_domain"]
    with Stream((host, port), guests) as stream:
        stream.ask("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", "<success")
        stream.bind()
        items = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
        found = stream.ask(f"<iq type='get' id='items' to='{guests}'>{items}</iq>", "</iq>")
        assert "proxy.localhost" in found
        query = "<query xmlns='http://jabber.org/protocol/bytestreams'/>"
        answer = stream.ask(f"<iq type='get' id='where' to='proxy.localhost'>{query}</iq>", "</iq>")
    assert f"port='{house.endpoints['socks5'][1]}'" in answer
