"""The server core with recorded output instead of sockets, and clients that sign for it."""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from carillon.credentials import Credential, issue
from carillon.settings import Settings, parse
from carillon.stun import (
    Attribute,
    Message,
    MessageClass,
    Method,
    StunError,
    build,
    parse_error_code,
    parse_xor_address,
    xor_address,
)
from carillon.stun import parse as parse_stun
from relay.main import peer_policy
from relay.turn.five_tuple import FiveTuple
from relay.turn.peers import PeerPolicy
from relay.turn.server import Server

SECRET = "north"
UNIX_TIME = 1_700_000_000.0
UDP_TRANSPORT = (Attribute.REQUESTED_TRANSPORT, b"\x11\0\0\0")
PEER = ("1.1.1.1", 7000)
_numbers = itertools.count(1)


@cache
def reference_settings(**overrides: str) -> Settings:
    """The reference configuration with `section__key="TOML value"` changed, for a relay in public."""
    values = {
        "turn__address": '"9.9.9.9"',
        "bridge__address": '"127.0.0.9"',
        "turn__relay_ports": "[50000, 50999]",
    } | overrides
    texts = tuple(f"{key.replace('__', '.')}={value}" for key, value in values.items())
    return parse("", Path("/nowhere/carillon.toml"), texts)


def policy(**overrides: str) -> PeerPolicy:
    return peer_policy(reference_settings(**overrides))


@dataclass
class RecordingOutput:
    """Keeps what the core sends; `busy` ports cannot be bound."""

    to_clients: list[tuple[FiveTuple, bytes]] = field(default_factory=list)
    to_peers: list[tuple[int, bytes, tuple[str, int]]] = field(default_factory=list)
    closed: list[FiveTuple] = field(default_factory=list)
    open: set[int] = field(default_factory=set)
    busy: set[int] = field(default_factory=set)
    takes: bool = True

    def send_client(self, client: FiveTuple, data: bytes) -> bool:
        if self.takes:
            self.to_clients.append((client, data))
        return self.takes

    def close_client(self, client: FiveTuple) -> None:
        self.closed.append(client)

    def send_peer(self, port: int, data: bytes, peer: tuple[str, int]) -> bool:
        assert port in self.open
        if self.takes:
            self.to_peers.append((port, data, peer))
        return self.takes

    def open_port(self, port: int) -> bool:
        assert port not in self.open
        if port in self.busy:
            return False
        self.open.add(port)
        return True

    def close_port(self, port: int) -> None:
        self.open.remove(port)


class Core:
    """A server core, its output and its clock."""

    def __init__(self, **overrides: str) -> None:
        settings = reference_settings(**overrides)
        self.now = 1000.0
        self.unix_time = UNIX_TIME
        self.output = RecordingOutput()
        self.server = Server(
            settings.turn,
            SECRET,
            peer_policy(settings),
            self.output,
            random=Random(7),
            unix_time=lambda: self.unix_time,
        )

    def answer(self, client: FiveTuple, data: bytes) -> Message | None:
        """What the server answers to this message, or None for silence."""
        before = len(self.output.to_clients)
        self.server.receive(client, data, self.now)
        answers = self.output.to_clients[before:]
        assert len(answers) <= 1
        return parse_stun(answers[0][1]) if answers else None

    def peer_sends(self, port: int, data: bytes, peer: tuple[str, int] = PEER) -> bytes | None:
        """What the client gets when `peer` sends `data` to a relay port, or None."""
        before = len(self.output.to_clients)
        self.server.receive_peer(port, data, peer, self.now)
        sent = self.output.to_clients[before:]
        return sent[0][1] if sent else None

    def client(self, name: str = "romeo@localhost", transport: str = "udp", **more: Any) -> Client:
        number = next(_numbers)
        address = more.pop("five_tuple", None) or FiveTuple(
            transport, f"198.51.100.{number % 250}", 5000 + number
        )
        user = more.pop("user", None) or issue(SECRET, name, 600, self.unix_time)
        return Client(self, address, user, **more)


def code_of(message: Message | None) -> int:
    """0 for success, the error code of an error, -1 for silence."""
    if message is None:
        return -1
    if message.cls is MessageClass.SUCCESS:
        return 0
    return parse_error_code(message.get(Attribute.ERROR_CODE) or b"")[0]


class Client:
    """Builds requests of one user on one 5-tuple."""

    def __init__(self, core: Core, five_tuple: FiveTuple, user: Credential, realm: str = "localhost") -> None:
        self.core = core
        self.five_tuple = five_tuple
        self.user = user
        self.realm = realm
        self.nonce = b""

    @property
    def key(self) -> bytes:
        text = f"{self.user.username}:{self.realm}:{self.user.password}"
        return hashlib.md5(text.encode()).digest()

    def with_user(self, user: Credential) -> Client:
        """The same 5-tuple in other hands."""
        return Client(self.core, self.five_tuple, user, self.realm)

    def with_password(self, password: str) -> Client:
        return self.with_user(replace(self.user, password=password))

    def signed(self, method: int, attributes: Iterable[tuple[int, bytes]], tid: bytes) -> bytes:
        identity = (
            (Attribute.USERNAME, self.user.username.encode()),
            (Attribute.REALM, self.realm.encode()),
            (Attribute.NONCE, self.nonce),
        )
        return build(method, MessageClass.REQUEST, tid, (*attributes, *identity), key=self.key)

    def challenge(self) -> None:
        """Learn the nonce."""
        answer = self.core.answer(
            self.five_tuple, build(Method.ALLOCATE, MessageClass.REQUEST, bytes(12), [UDP_TRANSPORT])
        )
        assert answer is not None and code_of(answer) == 401
        self.nonce = answer.get(Attribute.NONCE) or b""

    def request(
        self, method: int, *attributes: tuple[int, bytes], tid: bytes | None = None
    ) -> Message | None:
        if not self.nonce:
            self.challenge()
        tid = tid or next(_numbers).to_bytes(12, "big")
        answer = self.core.answer(self.five_tuple, self.signed(method, attributes, tid))
        if answer is not None and code_of(answer) not in (401, 438):
            assert answer.integrity_ok(self.key), "answers to a user are signed"
        return answer

    def code(self, method: int, *attributes: tuple[int, bytes], tid: bytes | None = None) -> int:
        return code_of(self.request(method, *attributes, tid=tid))

    def allocate(self, *attributes: tuple[int, bytes]) -> int:
        """The relay port of a new allocation."""
        answer = self.request(Method.ALLOCATE, UDP_TRANSPORT, *attributes)
        assert answer is not None and code_of(answer) == 0, code_of(answer)
        return parse_xor_address(answer.get(Attribute.XOR_RELAYED_ADDRESS) or b"", answer.transaction_id)[1]

    def permit(self, *ips: str) -> int:
        tid = next(_numbers).to_bytes(12, "big")
        attributes = [(Attribute.XOR_PEER_ADDRESS, xor_address(ip, 9, tid)) for ip in ips]
        return self.code(Method.CREATE_PERMISSION, *attributes, tid=tid)

    def bind(self, number: int = 0x4000, peer: tuple[str, int] = PEER) -> int:
        tid = next(_numbers).to_bytes(12, "big")
        return self.code(
            Method.CHANNEL_BIND,
            (Attribute.CHANNEL_NUMBER, struct.pack("!HH", number, 0)),
            (Attribute.XOR_PEER_ADDRESS, xor_address(*peer, tid)),
            tid=tid,
        )

    def refresh(self, lifetime_s: int | None = None) -> int:
        """The lifetime granted, or minus the error code."""
        attributes = [] if lifetime_s is None else [(Attribute.LIFETIME, struct.pack("!I", lifetime_s))]
        answer = self.request(Method.REFRESH, *attributes)
        code = code_of(answer)
        return (
            -code if code or answer is None else int.from_bytes(answer.get(Attribute.LIFETIME) or b"", "big")
        )

    def send(self, data: bytes, peer: tuple[str, int] = PEER, *more: tuple[int, bytes]) -> bool:
        """Whether a Send indication reached the peer."""
        tid = next(_numbers).to_bytes(12, "big")
        attributes = ((Attribute.XOR_PEER_ADDRESS, xor_address(*peer, tid)), (Attribute.DATA, data), *more)
        return self.relays(build(Method.SEND, MessageClass.INDICATION, tid, attributes), data, peer)

    def send_channel(self, data: bytes, number: int = 0x4000, peer: tuple[str, int] = PEER) -> bool:
        """Whether ChannelData reached the peer."""
        return self.relays(struct.pack("!HH", number, len(data)) + data, data, peer)

    def relays(self, message: bytes, data: bytes, peer: tuple[str, int]) -> bool:
        output = self.core.output
        peers, clients = len(output.to_peers), len(output.to_clients)
        self.core.server.receive(self.five_tuple, message, self.core.now)
        sent, delivered = output.to_peers[peers:], output.to_clients[clients:]
        assert all(entry[1:] == (data, peer) for entry in sent)
        # A peer that is relayed here as well gets it without a way through the network.
        assert all(client != self.five_tuple and data in message for client, message in delivered)
        return bool(sent or delivered)


def indication(data: bytes) -> tuple[tuple[str, int], bytes]:
    """Peer and data of a Data indication."""
    message = parse_stun(data)
    if (message.method, message.cls) != (Method.DATA, MessageClass.INDICATION):
        raise StunError("no Data indication")
    peer = parse_xor_address(message.get(Attribute.XOR_PEER_ADDRESS) or b"", message.transaction_id)
    return peer, message.get(Attribute.DATA) or b""
