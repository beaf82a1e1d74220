"""A WebRTC client for tests over a real UDP socket: controlled ICE agent, DTLS client, SRTP."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Callable
from typing import Any

from bridge.conference import Conference
from bridge.endpoint import Endpoint
from bridge.ice_data import Credentials, make_credentials
from bridge.registry import Registry
from bridge.srtp import SrtpError, SrtpSession
from carillon import stun
from carillon.stun import Attribute, MessageClass
from tests.bridge.dtls_peer import DtlsClient
from tests.bridge.ice_peer import binding, success

CHECK_INTERVAL_S = 0.05

SocketName = tuple[str, int]


class BlindRouter:
    """Forwards everything to everybody else, and remembers what it was told."""

    ssrc, audio_ssrc = 4711, 4712

    def __init__(self, output: Any, random_source: random.Random) -> None:
        self.output = output
        self.endpoints: list[str] = []
        self.calls: list[tuple[Any, ...]] = []

    def add_endpoint(self, endpoint_id: str, media: Any) -> None:
        self.endpoints.append(endpoint_id)
        self.calls.append(("add_endpoint", endpoint_id, len(media)))

    def set_capabilities(self, endpoint_id: str, capabilities: tuple[str, ...]) -> tuple[Any, ...]:
        return ()

    def set_media(self, endpoint_id: str, media: Any) -> None:
        self.calls.append(("set_media", endpoint_id, len(media)))

    def set_sources(self, endpoint_id: str, sources: Any, now: float) -> None:
        self.calls.append(("set_sources", endpoint_id, tuple(source.id for source in sources)))

    def set_force_mute(self, endpoint_id: str, *, audio: bool | None, video: bool | None) -> None:
        self.calls.append(("set_force_mute", endpoint_id, audio, video))

    def connected(self, endpoint_id: str, now: float) -> None:
        self.calls.append(("connected", endpoint_id))

    def consent(self, endpoint_id: str, now: float) -> None:
        self.calls.append(("consent", endpoint_id))

    def remove_endpoint(self, endpoint_id: str, now: float) -> None:
        self.endpoints.remove(endpoint_id)
        self.calls.append(("remove_endpoint", endpoint_id))

    def receive_rtp(self, endpoint_id: str, packet: bytes, now: float) -> None:
        for other in self.endpoints:
            if other != endpoint_id:
                self.output.send_rtp(other, packet)

    def receive_rtcp(self, endpoint_id: str, packet: bytes, now: float) -> None:
        for other in self.endpoints:
            if other != endpoint_id:
                self.output.send_rtcp(other, packet)

    def receive_message(self, endpoint_id: str, message: dict[str, Any], now: float) -> None:
        self.calls.append(("receive_message", endpoint_id, message))

    def channel_open(self, endpoint_id: str, now: float) -> None:
        self.output.send_message(endpoint_id, {"colibriClass": "ServerHello"})

    def tick(self, now: float) -> float:
        return now + 0.05

    def stats(self, now: float) -> dict[str, Any]:
        return {}


def blind_registry(**options: Any) -> Registry:
    """A registry whose conferences forward blindly."""
    return Registry(BlindRouter, **{"max_endpoints": 20, "consent_timeout_s": 30.0, **options})


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the event loop will bring about."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


class MediaClient(asyncio.DatagramProtocol):
    """One client. `connect` ends when SRTP works; packets appear in `rtp` and `rtcp`."""

    def __init__(self, ufrag: str, pwd: str, bridge: SocketName) -> None:
        self.bridge = bridge
        self.remote = Credentials(ufrag, pwd)
        self.local = make_credentials(random.SystemRandom())
        self.dtls = DtlsClient()
        self.srtp: SrtpSession | None = None
        self.nominated = asyncio.Event()
        self.secure = asyncio.Event()
        self.rtp: asyncio.Queue[bytes] = asyncio.Queue()
        self.rtcp: asyncio.Queue[bytes] = asyncio.Queue()
        self.early_hello = False
        """Send the ClientHello as soon as the first check is answered, as browsers do."""
        self.dropped_flights = 0
        """How many more datagrams of the server's last flight are to be lost."""
        self.answers_checks = True
        self._transaction = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []
        self._greeted = False
        self.transport: asyncio.DatagramTransport

    async def open(self) -> SocketName:
        """Bind a port and begin to send checks."""
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._tasks.append(asyncio.create_task(self._check()))
        address: SocketName = self.transport.get_extra_info("sockname")[:2]
        return address

    async def connect(self) -> None:
        """Wait for nomination, shake hands."""
        await self.nominated.wait()
        self._tasks.append(asyncio.create_task(self._shake()))
        await self.secure.wait()

    async def _check(self) -> None:
        while not self.nominated.is_set():
            number = next(self._transaction).to_bytes(2, "big") + os.urandom(10)
            self.send(binding(self.local, self.remote, transaction_id=number))
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def _shake(self) -> None:
        self._hello()
        while not self.secure.is_set():
            await asyncio.sleep((self.dtls.connection.DTLSv1_get_timeout() or 0) + 0.01)
            if not self.secure.is_set():
                self.dtls.connection.DTLSv1_handle_timeout()
                self.send_all(self.dtls.datagrams())

    def _hello(self) -> None:
        if not self._greeted:
            self._greeted = True
            self.send_all(self.dtls.advance())

    def send(self, data: bytes) -> None:
        """Send one datagram to the bridge."""
        self.transport.sendto(data, self.bridge)

    def send_all(self, datagrams: list[bytes]) -> None:
        """Send several."""
        for datagram in datagrams:
            self.send(datagram)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[0] < 4:
            self._receive_stun(data)
        elif data[0] < 64:
            self._receive_dtls(data)
        elif self.srtp is not None:
            try:
                if 192 <= data[1] < 224:
                    self.rtcp.put_nowait(self.srtp.unprotect_rtcp(data))
                else:
                    self.rtp.put_nowait(self.srtp.unprotect_rtp(data))
            except SrtpError as error:
                raise AssertionError("the bridge sent bad SRTP") from error

    def _receive_stun(self, data: bytes) -> None:
        message = stun.parse(data)
        if message.cls is not MessageClass.REQUEST:
            if self.early_hello:
                self._hello()
        elif self.answers_checks:
            self.send(success(message, self.bridge, self.local.pwd))
            if message.get(Attribute.USE_CANDIDATE) is not None:
                self.nominated.set()

    def _receive_dtls(self, data: bytes) -> None:
        if self.dropped_flights and data[0] == 20:  # ChangeCipherSpec begins the last flight
            self.dropped_flights -= 1
            return
        self.send_all(self.dtls.receive(data))
        if self.dtls.done and self.srtp is None:
            self.srtp = SrtpSession(self.dtls.keys(), server=False)
            self.secure.set()

    def send_rtp(self, packet: bytes) -> None:
        """Protect and send."""
        assert self.srtp is not None
        self.send(self.srtp.protect_rtp(packet))

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send."""
        assert self.srtp is not None
        self.send(self.srtp.protect_rtcp(packet))

    async def close(self) -> None:
        """Stop without a word."""
        for task in self._tasks:
            task.cancel()
        self.transport.close()


def add_client(
    registry: Registry, conference: Conference, name: str, bridge: SocketName
) -> tuple[MediaClient, Endpoint]:
    """A client and its endpoint, which does not know the client's credentials yet."""
    now = asyncio.get_running_loop().time()
    endpoint = registry.create_endpoint(conference, name, (), controlling=True, now=now)
    local = endpoint.transport.ice.local
    return MediaClient(local.ufrag, local.pwd, bridge), endpoint
