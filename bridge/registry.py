"""All conferences of the bridge, and which endpoint a datagram belongs to. Sans-I/O."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.conference import Conference, MakeRouter
from bridge.dtls import Certificate
from bridge.endpoint import Endpoint
from bridge.ice import IceAgent
from bridge.ice_data import Address, Credentials, make_credentials
from bridge.metrics import ICE_RESTARTS, REJECTED
from carillon import stun
from carillon.stun import Attribute, Message, MessageClass
from jingle.colibri2 import Media

IDLE_S = 60.0
"""An endpoint without keys or a nominated pair, and a conference without endpoints, end after this time."""
SWEEP_S = 1.0
"""How often idleness is looked for."""
PROOF_S = 1.0
"""When nobody has answered a check for so long, some clients are asked out of turn (see `unanswered_s`)."""
ASKED = 5
"""So many: one answer is enough."""
MAX_SLEEP_S = 0.05
"""A tick is due at least that often: what a router or a request has new to do needs no wake-up then."""


@dataclass
class Totals:
    """What happened since the start, in the words of JVB's statistics."""

    conferences_created: int = 0
    conferences_completed: int = 0
    conference_seconds: float = 0.0
    """How long those that are completed took together."""
    endpoints: int = 0
    ice_succeeded: int = 0
    ice_failed: int = 0
    dtls_failed: int = 0
    packets_received: int = 0
    bytes_received: int = 0
    packets_sent: int = 0
    bytes_sent: int = 0


@dataclass
class Registry:
    """See the module. The shell that owns sockets and clock sets the callbacks before there are endpoints."""

    make_router: MakeRouter
    max_endpoints: int
    consent_timeout_s: float
    random_source: random.Random = field(default_factory=random.SystemRandom)
    certificate: Certificate = field(default_factory=Certificate)
    send_datagram: Callable[[bytes, Address], None] = lambda data, address: None
    release: Callable[[Address], None] = lambda address: None
    """Told that nobody is reached at an address any more."""
    wake: Callable[[float], None] = lambda due: None
    """Told when an endpoint has something to do: maybe before the time that the last tick gave."""
    draining: bool = False
    """No new conference is accepted."""

    def __post_init__(self) -> None:
        self.conferences: dict[str, Conference] = {}
        self.endpoints: set[Endpoint] = set()
        self.totals = Totals()
        self._by_ufrag: dict[str, Endpoint] = {}
        self._learned: dict[Address, Endpoint] = {}
        self._validated: dict[Address, Endpoint] = {}
        self._sweep_due = 0.0
        self._answered_at = 0.0

    # Conferences and endpoints.

    def create_conference(self, meeting_id: str, name: str, now: float) -> Conference:
        """A new, empty conference."""
        conference = self.conferences[meeting_id] = Conference(
            meeting_id,
            name,
            make_router=self.make_router,
            random_source=self.random_source,
            on_removed=self._removed,
            now=now,
        )
        self.totals.conferences_created += 1
        return conference

    def expire_conference(self, conference: Conference, reason: str, now: float) -> None:
        """End a conference and all its endpoints."""
        for endpoint_id in list(conference.endpoints):
            conference.remove(endpoint_id, reason, now)
        if self.conferences.pop(conference.meeting_id, None) is not None:
            self.totals.conferences_completed += 1
            self.totals.conference_seconds += now - conference.created_at

    def create_endpoint(
        self,
        conference: Conference,
        endpoint_id: str,
        media: tuple[Media, ...],
        *,
        controlling: bool,
        now: float,
    ) -> Endpoint:
        """A new endpoint with fresh ICE credentials."""
        ice = IceAgent(
            self._fresh_credentials(),
            random_source=self.random_source,
            consent_timeout_s=self.consent_timeout_s,
            controlling=controlling,
        )
        endpoint = Endpoint(endpoint_id, conference, self, ice, certificate=self.certificate, now=now)
        self._by_ufrag[ice.local.ufrag] = endpoint
        self.endpoints.add(endpoint)
        self.totals.endpoints += 1
        conference.add(endpoint, media)
        return endpoint

    def restart_ice(self, endpoint: Endpoint) -> None:
        """Give an endpoint new ICE credentials beside those in use."""
        ice = endpoint.transport.ice
        self._forget_ufrags(endpoint)
        ice.restart(self._fresh_credentials())
        endpoint.ice_generation += 1
        ICE_RESTARTS.inc()
        for ufrag in ice.ufrags():
            self._by_ufrag[ufrag] = endpoint

    def _forget_ufrags(self, endpoint: Endpoint) -> None:
        for ufrag in [ufrag for ufrag, owner in self._by_ufrag.items() if owner is endpoint]:
            del self._by_ufrag[ufrag]

    def _fresh_credentials(self) -> Credentials:
        credentials = make_credentials(self.random_source)
        while credentials.ufrag in self._by_ufrag:
            credentials = make_credentials(self.random_source)
        return credentials

    def _removed(self, endpoint: Endpoint, reason: str) -> None:
        self.endpoints.discard(endpoint)
        self._forget_ufrags(endpoint)
        transport, totals = endpoint.transport, self.totals
        totals.packets_received += transport.packets_received
        totals.bytes_received += transport.bytes_received
        totals.packets_sent += transport.packets_sent
        totals.bytes_sent += transport.bytes_sent
        totals.ice_succeeded += transport.ice_succeeded
        # Who leaves while its checks are still under way has not failed.
        totals.ice_failed += not transport.ice_succeeded and reason != "expired"
        totals.dtls_failed += transport.ice_succeeded and not endpoint.was_connected

    # Whether media get through.

    def answered(self, now: float) -> None:
        """A client has answered a check."""
        self._answered_at = now

    def unanswered_s(self, now: float) -> float:
        """How long no client has answered, although some are asked every second; 0 while none is connected.

        It is no matter whether they are muted, alone or send directly to each other: all answer checks. What
        is too high says that nothing gets in, or nothing out.
        """
        connected = any(endpoint.transport.connected for endpoint in self.endpoints)
        return max(0.0, now - self._answered_at) if connected else 0.0

    def _ask_some(self, now: float) -> None:
        if self.unanswered_s(now) < PROOF_S:
            return
        connected = sorted((one for one in self.endpoints if one.transport.connected), key=lambda one: one.id)
        for endpoint in self.random_source.sample(connected, min(ASKED, len(connected))):
            endpoint.transport.ask(now)

    # Where datagrams go: the Directory of the endpoints.

    def learned(self, address: Address, endpoint: Endpoint) -> None:
        """Responses from there may be for this endpoint: it was the last to get a good check from there."""
        self._learned[address] = endpoint

    def validated(self, address: Address, endpoint: Endpoint) -> None:
        """DTLS and media from this address are this endpoint's: it has proved that it is reached there."""
        self._validated[address] = endpoint

    def forgotten(self, address: Address, endpoint: Endpoint) -> None:
        """The endpoint has nothing to do with this address any more."""
        for owners in (self._learned, self._validated):
            if owners.get(address) is endpoint:
                del owners[address]
        if not self.knows(address):
            self.release(address)

    def knows(self, address: Address) -> bool:
        """Whether a check with the right password has come from there."""
        return address in self._learned or address in self._validated

    def lost(self, address: Address, now: float) -> None:
        """The connection to this address is closed."""
        for endpoint in {owners[address] for owners in (self._learned, self._validated) if address in owners}:
            endpoint.transport.lose(address, now)

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram from one of the bridge's sockets."""
        if not data:
            return
        if data[0] < 4:
            self._receive_stun(data, source, now)
            return
        endpoint = self._validated.get(source)
        if endpoint is None:
            endpoint = self._learned.get(source)
            if endpoint is None or not 20 <= data[0] < 64:
                REJECTED.labels("udp", "unchecked").inc()
                return
        endpoint.transport.receive(data, source, now)

    def _receive_stun(self, data: bytes, source: Address, now: float) -> None:
        try:
            message = stun.parse(data)
        except stun.StunError:
            REJECTED.labels("ice", "malformed").inc()
            return
        if message.cls is MessageClass.REQUEST:
            name = (message.get(Attribute.USERNAME) or b"").partition(b":")[0]
            endpoint = self._by_ufrag.get(name.decode("ascii", "replace"))
        else:
            endpoint = self._asker(message, source)
        if endpoint is None:
            REJECTED.labels("ice", "username").inc()
        else:
            endpoint.transport.receive_stun(message, source, now)
            self.wake(endpoint.transport.due)

    def _asker(self, message: Message, source: Address) -> Endpoint | None:
        """Whose check this response answers: two endpoints can have met behind one address."""
        for owners in (self._validated, self._learned):
            endpoint = owners.get(source)
            if endpoint is not None and endpoint.transport.ice.expects(message.transaction_id):
                return endpoint
        return None

    # Time.

    def tick(self, now: float) -> float:
        """Do what is due; when to be called next."""
        next_due = math.inf
        for endpoint in tuple(self.endpoints):
            if endpoint.transport.due <= now:
                endpoint.transport.handle_timeout(now)
            next_due = min(next_due, endpoint.transport.due)
        for conference in tuple(self.conferences.values()):
            conference.tick(now)
            next_due = min(next_due, conference.tick_due)
        if self._sweep_due <= now:
            self._sweep_due = now + SWEEP_S
            self._sweep(now)
        return min(next_due, now + MAX_SLEEP_S)

    def _sweep(self, now: float) -> None:
        self._ask_some(now)
        for conference in tuple(self.conferences.values()):
            for endpoint in tuple(conference.endpoints.values()):
                settled = endpoint.was_connected and endpoint.transport.ice_succeeded
                if not settled and now - endpoint.created_at >= IDLE_S:
                    conference.remove(endpoint.id, "idle", now)
            if not conference.endpoints and now - conference.empty_since >= IDLE_S:
                self.expire_conference(conference, "idle", now)
