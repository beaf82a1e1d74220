"""A scripted ICE client for tests, on nothing but the STUN codec, and a simulated network to an agent."""

from __future__ import annotations

import heapq
import itertools
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bridge.ice import IceAgent
from bridge.ice_data import Address, Base, Credentials, IceEvent, IceRefused, Send
from carillon import stun
from carillon.stun import Attribute, Message, MessageClass, Method

UDP, TCP = Base("udp"), Base("tcp")
BRIDGE = Address("192.0.2.1", 10000, UDP)
BRIDGE_CREDENTIALS = Credentials("bridgeuf", "bridge-password-of-24-ch")
CLIENT_CREDENTIALS = Credentials("clientuf", "client-password-of-24-ch")


def binding(
    local: Credentials,
    remote: Credentials,
    *,
    transaction_id: bytes = b"transaction!",
    priority: int = 0x6E7F1EFF,
    controlling: int | None = None,
    use_candidate: bool = False,
    key: str | None = None,
) -> bytes:
    """A connectivity check from the side with the credentials `local` to the other."""
    attributes = [
        (int(Attribute.USERNAME), f"{remote.ufrag}:{local.ufrag}".encode()),
        (int(Attribute.PRIORITY), struct.pack("!I", priority)),
    ]
    if controlling is None:
        attributes.append((int(Attribute.ICE_CONTROLLED), bytes(8)))
    else:
        attributes.append((int(Attribute.ICE_CONTROLLING), struct.pack("!Q", controlling)))
    if use_candidate:
        attributes.append((int(Attribute.USE_CANDIDATE), b""))
    signing = (remote.pwd if key is None else key).encode()
    return stun.build(
        Method.BINDING, MessageClass.REQUEST, transaction_id, attributes, key=signing, fingerprint=True
    )


def success(request: Message, source: tuple[Any, ...], pwd: str) -> bytes:
    """The answer of a client with password `pwd` to a check that came from `source`."""
    attributes = [
        (int(Attribute.XOR_MAPPED_ADDRESS), stun.xor_address(source[0], source[1], request.transaction_id))
    ]
    return stun.build(
        Method.BINDING,
        MessageClass.SUCCESS,
        request.transaction_id,
        attributes,
        key=pwd.encode(),
        fingerprint=True,
    )


@dataclass
class Client:
    """A controlled agent behind some addresses: answers good checks, remembers what it saw."""

    local: Credentials = CLIENT_CREDENTIALS
    remote: Credentials = BRIDGE_CREDENTIALS
    silent: bool = False
    checks: list[tuple[Address, Message]] = field(default_factory=list)
    nominated: list[Address] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)

    def receive(self, data: bytes, at: Address) -> bytes | None:
        """Take what the bridge sent to the address `at`; gives the answer."""
        message = stun.parse(data)
        if message.cls is not MessageClass.REQUEST:
            assert message.integrity_ok(self.remote.pwd.encode())
            self.answers.append(message)
            return None
        self.checks.append((at, message))
        expected = f"{self.local.ufrag}:{self.remote.ufrag}".encode()
        if self.silent or message.get(Attribute.USERNAME) != expected:
            return None
        assert message.integrity_ok(self.local.pwd.encode())
        if message.get(Attribute.USE_CANDIDATE) is not None:
            self.nominated.append(at)
        return success(message, BRIDGE, self.local.pwd)


class Network:
    """Carries datagrams between one agent and clients at addresses, with delay and loss; owns the clock."""

    def __init__(self, agent: IceAgent, delay_s: float = 0.01) -> None:
        self.agent = agent
        self.now = 100.0
        self.delay_s = delay_s
        self.events: list[IceEvent] = []
        self.refused: list[str] = []
        self.lost: Callable[[bytes, Address], bool] = lambda data, address: False
        self._hosts: dict[Address, Client] = {}
        self._queue: list[tuple[float, int, bytes, Address, bool]] = []
        self._order = itertools.count()

    def attach(self, client: Client, *addresses: Address) -> None:
        """From now on the client is reached at these addresses."""
        self._hosts.update(dict.fromkeys(addresses, client))

    def detach(self, address: Address) -> None:
        """Nobody is there any more."""
        del self._hosts[address]

    def to_bridge(self, data: bytes, source: Address) -> None:
        """Put a datagram on its way to the agent."""
        self._put(data, source, True)

    def _put(self, data: bytes, address: Address, inbound: bool) -> None:
        heapq.heappush(self._queue, (self.now + self.delay_s, next(self._order), data, address, inbound))

    def collect(self) -> None:
        """Take the agent's events, send what it sends."""
        for event in self.agent.events():
            self.events.append(event)
            if isinstance(event, Send) and not self.lost(event.data, event.address):
                self._put(event.data, event.address, False)

    def run(self, seconds: float) -> None:
        """Let this much time pass."""
        end = self.now + seconds
        self.collect()
        while True:
            due = self.agent.timeout()
            times = [self._queue[0][0]] if self._queue else []
            times += [] if due is None else [max(due, self.now)]
            if not times or min(times) > end:
                break
            self.now = min(times)
            if self._queue and self._queue[0][0] <= self.now:
                self._deliver(*heapq.heappop(self._queue)[2:])
            else:
                self.agent.handle_timeout(self.now)
            self.collect()
        self.now = end

    def _deliver(self, data: bytes, address: Address, inbound: bool) -> None:
        if inbound:
            try:
                self.agent.receive(stun.parse(data), address, self.now)
            except IceRefused as refused:
                self.refused.append(refused.reason)
        elif address in self._hosts:
            answer = self._hosts[address].receive(data, address)
            if answer is not None:
                self._put(answer, address, True)

    def seen(self, kind: type[IceEvent]) -> list[IceEvent]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]


def make_agent(*, controlling: bool = True, seed: int = 1) -> IceAgent:
    """An agent with the credentials and the luck of the tests."""
    return IceAgent(
        BRIDGE_CREDENTIALS,
        random_source=random.Random(seed),
        consent_timeout_s=30.0,
        controlling=controlling,
    )
