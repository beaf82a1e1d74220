"""A small TURN client over real sockets, for the tests of the relay."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import struct
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from carillon import settings as carillon_settings
from carillon.certificate import ensure
from carillon.credentials import Credential, issue
from carillon.settings import Settings
from carillon.stun import (
    Attribute,
    Message,
    MessageClass,
    Method,
    build,
    parse,
    parse_error_code,
    parse_xor_address,
    xor_address,
)
from relay.main import Relay
from relay.turn import channel_data
from relay.turn.framing import Framing
from tests.ports import free_port

SECRET = "north"
REALM = "localhost"
UDP_TRANSPORT = (Attribute.REQUESTED_TRANSPORT, b"\x11\0\0\0")
WAIT_S = 5.0


def settings(directory: Path, **overrides: Any) -> Settings:
    """The reference configuration with `section__key=TOML value` changed, and a secret."""
    secret = directory / "secret"
    secret.touch(mode=0o600)
    secret.write_text(SECRET)
    path = directory / "carillon.toml"
    path.write_text("")
    turn = {"turn__secret_file": f'"{secret}"', "turn__realm": f'"{REALM}"', "socks5__enabled": "false"}
    return carillon_settings.load(
        path, tuple(f"{key.replace('__', '.')}={value}" for key, value in (turn | overrides).items())
    )


@asynccontextmanager
async def running_tls_relay(directory: Path, **overrides: Any) -> AsyncIterator[tuple[Relay, int]]:
    """A relay with TURN over TLS, given with the port of that."""
    certificate, key = directory / "relay.pem", directory / "relay.key"
    ensure(certificate, key, ("relay.example", "127.0.0.1"))
    port = free_port()
    tls = {"tls_port": port, "certificate": f"'{certificate}'", "key": f"'{key}'"}
    tls_settings = {f"turn__{name}": value for name, value in tls.items()}
    async with running_relay(directory, **(tls_settings | overrides)) as (relay, _):
        yield relay, port


@asynccontextmanager
async def running_relay(directory: Path, **overrides: Any) -> AsyncIterator[tuple[Relay, int]]:
    """A relay on a free port of loopback."""
    port = free_port()
    ports = {"turn__udp_port": port, "turn__tcp_port": port}
    relay = Relay(settings(directory, **(ports | overrides)))
    await relay.start()
    try:
        yield relay, port
    finally:
        await relay.stop()


def credential(name: str = "romeo@localhost", ttl_s: int = 600) -> Credential:
    """A credential that is valid now."""
    return issue(SECRET, name, ttl_s, time.time())


class Refused(Exception):
    """An error response."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.code = parse_error_code(message.get(Attribute.ERROR_CODE) or b"")[0]
        super().__init__(self.code)


def any_certificate() -> ssl.SSLContext:
    """A client that checks no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class TurnClient:
    """Speaks to one server over `transport`; received indications and ChannelData wait in `data`."""

    def __init__(self, transport: str, user: Credential, realm: str = REALM) -> None:
        self.transport = transport
        self.user = user
        self.realm = realm
        self.nonce = b""
        self.data: asyncio.Queue[tuple[int | tuple[str, int], bytes]] = asyncio.Queue()
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.tls_context: ssl.SSLContext | None = None
        """What a client over "tls" trusts; None: any certificate."""
        self._framing = Framing(1 << 17)
        self._socket: Any = None

    async def connect(self, port: int, host: str = "127.0.0.1") -> None:
        loop = asyncio.get_running_loop()
        if self.transport == "udp":
            self._socket, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), remote_addr=(host, port)
            )
        else:
            context = (self.tls_context or any_certificate()) if self.transport == "tls" else None
            self._socket, _ = await loop.create_connection(lambda: _Stream(self), host, port, ssl=context)

    def close(self) -> None:
        self._socket.close()

    def pause(self) -> None:
        """Read no more from the connection."""
        self._socket.pause_reading()

    def resume(self) -> None:
        self._socket.resume_reading()

    def send_raw(self, data: bytes) -> None:
        if self.transport == "udp":
            self._socket.sendto(data)
        else:
            self._socket.write(data)

    def take(self, message: bytes) -> None:
        if message[0] >> 4 == 4:
            self.data.put_nowait(channel_data.parse(message))
            return
        parsed = parse(message)
        if parsed.cls is MessageClass.INDICATION:
            peer = parse_xor_address(parsed.get(Attribute.XOR_PEER_ADDRESS) or b"", parsed.transaction_id)
            self.data.put_nowait((peer, parsed.get(Attribute.DATA) or b""))
        else:
            self.messages.put_nowait(parsed)

    def take_stream(self, data: bytes) -> None:
        for message in self._framing.feed(data):
            self.take(message)

    async def exchange(self, data: bytes) -> Message:
        """Send a request and return the response to it."""
        self.send_raw(data)
        while True:
            response = await asyncio.wait_for(self.messages.get(), WAIT_S)
            if response.transaction_id == data[8:20]:
                return response

    @property
    def key(self) -> bytes:
        return hashlib.md5(f"{self.user.username}:{self.realm}:{self.user.password}".encode()).digest()

    def signed(
        self, method: int, attributes: Iterable[tuple[int, bytes]], transaction_id: bytes | None = None
    ) -> bytes:
        identity = (
            (Attribute.USERNAME, self.user.username.encode()),
            (Attribute.REALM, self.realm.encode()),
            (Attribute.NONCE, self.nonce),
        )
        return build(
            method,
            MessageClass.REQUEST,
            transaction_id or os.urandom(12),
            (*attributes, *identity),
            key=self.key,
        )

    async def request(self, method: int, *attributes: tuple[int, bytes], tid: bytes | None = None) -> Message:
        """Send a signed request, once more with a fresh nonce. Raises Refused."""
        if not self.nonce:
            await self.challenge()
        response = await self.exchange(self.signed(method, attributes, tid))
        if response.cls is MessageClass.ERROR and Refused(response).code == 438:
            self.nonce = response.get(Attribute.NONCE) or b""
            response = await self.exchange(self.signed(method, attributes, tid))
        if response.cls is MessageClass.ERROR:
            raise Refused(response)
        assert response.integrity_ok(self.key)
        return response

    async def challenge(self) -> Message:
        """An unsigned Allocate: learn the nonce."""
        data = build(Method.ALLOCATE, MessageClass.REQUEST, os.urandom(12), [UDP_TRANSPORT])
        response = await self.exchange(data)
        self.nonce = response.get(Attribute.NONCE) or b""
        return response

    async def allocate(self, *attributes: tuple[int, bytes]) -> tuple[str, int]:
        response = await self.request(Method.ALLOCATE, UDP_TRANSPORT, *attributes)
        return parse_xor_address(response.get(Attribute.XOR_RELAYED_ADDRESS) or b"", response.transaction_id)

    async def permit(self, *peers: tuple[str, int]) -> None:
        tid = os.urandom(12)
        attributes = [(Attribute.XOR_PEER_ADDRESS, xor_address(*peer, tid)) for peer in peers]
        await self.request(Method.CREATE_PERMISSION, *attributes, tid=tid)

    async def bind(self, number: int, peer: tuple[str, int]) -> None:
        tid = os.urandom(12)
        await self.request(
            Method.CHANNEL_BIND,
            (Attribute.CHANNEL_NUMBER, struct.pack("!HH", number, 0)),
            (Attribute.XOR_PEER_ADDRESS, xor_address(*peer, tid)),
            tid=tid,
        )

    async def refresh(self, lifetime_s: int) -> int:
        response = await self.request(Method.REFRESH, (Attribute.LIFETIME, struct.pack("!I", lifetime_s)))
        return int.from_bytes(response.get(Attribute.LIFETIME) or b"", "big")

    def send(self, peer: tuple[str, int], data: bytes) -> None:
        tid = os.urandom(12)
        attributes = ((Attribute.XOR_PEER_ADDRESS, xor_address(*peer, tid)), (Attribute.DATA, data))
        self.send_raw(build(Method.SEND, MessageClass.INDICATION, tid, attributes))

    def send_channel(self, number: int, data: bytes) -> None:
        self.send_raw(channel_data.build(number, data, padded=self.transport != "udp"))

    async def receive(self) -> tuple[int | tuple[str, int], bytes]:
        return await asyncio.wait_for(self.data.get(), WAIT_S)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, client: TurnClient) -> None:
        self._client = client

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._client.take(data)


class _Stream(asyncio.Protocol):
    def __init__(self, client: TurnClient) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.take_stream(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.closed.set()


class Peer(asyncio.DatagramProtocol):
    """A UDP peer; received datagrams wait in `data` with their source."""

    def __init__(self) -> None:
        self.data: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()
        self.transport: Any = None

    @classmethod
    async def open(cls, ip: str = "127.0.0.1", port: int = 0) -> Peer:
        loop = asyncio.get_running_loop()
        _, peer = await loop.create_datagram_endpoint(cls, local_addr=(ip, port))
        return peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.data.put_nowait((data, addr[:2]))

    @property
    def address(self) -> tuple[str, int]:
        return tuple(self.transport.get_extra_info("sockname")[:2])

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(data, address)

    async def receive(self) -> tuple[bytes, tuple[str, int]]:
        return await asyncio.wait_for(self.data.get(), WAIT_S)

    def close(self) -> None:
        self.transport.close()
