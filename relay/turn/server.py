"""The STUN and TURN server (RFC 8489, RFC 8656) without I/O: messages in, calls of `Output` out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

import structlog

from carillon.guard.addresses import canonical, source
from carillon.guard.buckets import Buckets
from carillon.settings import TurnSettings
from carillon.stun import (
    Attribute,
    Message,
    MessageClass,
    Method,
    StunError,
    build,
    comprehension_required,
    error_code,
    parse,
    parse_xor_address,
    xor_address,
)
from relay.turn import channel_data, requests
from relay.turn.allocation import Allocation
from relay.turn.allocations import Allocations
from relay.turn.authentication import Authenticator, User
from relay.turn.counters import Counters
from relay.turn.errors import REASONS, TurnError
from relay.turn.five_tuple import FiveTuple
from relay.turn.nonce import Nonces
from relay.turn.output import Output
from relay.turn.peers import PeerPolicy
from relay.turn.ports import PortPool
from relay.turn.requests import Attributes, Request

log = structlog.get_logger()

_UNDERSTOOD = frozenset(
    {
        Attribute.USERNAME,
        Attribute.MESSAGE_INTEGRITY,
        Attribute.CHANNEL_NUMBER,
        Attribute.LIFETIME,
        Attribute.XOR_PEER_ADDRESS,
        Attribute.DATA,
        Attribute.REALM,
        Attribute.NONCE,
        Attribute.REQUESTED_ADDRESS_FAMILY,
        Attribute.EVEN_PORT,
        Attribute.REQUESTED_TRANSPORT,
    }
)
# RESPONSE-ADDRESS and CHANGE-REQUEST of RFC 3489 and 5780 ask for an answer to or from somewhere else.
_REDIRECTS = frozenset({0x0002, 0x0003})
# Each source may send its first few requests together: one browser asks once per interface and transport.
_BURST_S = 3.0
_LOG_LINES_PER_S = 0.1  # about refusals of one kind to one source


class Server:
    """All protocol decisions of the relay; the caller brings messages and the time.

    `now` is monotonic, in seconds; `unix_time` is asked for the expiry of credentials.
    """

    def __init__(
        self,
        settings: TurnSettings,
        secret: str,
        policy: PeerPolicy,
        output: Output,
        *,
        random: Random,
        unix_time: Callable[[], float],
    ) -> None:
        self.counters = Counters()
        first, last = settings.relay_ports
        self.allocations = Allocations(
            output,
            PortPool(first, last, policy.own_ports | {port for _, port in policy.bridges}, random),
            per_user=settings.allocations_per_user,
            maximum=settings.max_allocations,
        )
        self._advertise = settings.advertise
        self._output = output
        self._random = random
        self._relayed_ip = str(canonical(settings.advertise))
        self.nonces = Nonces(random)
        self._authenticator = Authenticator(
            secret, settings.realm, settings.max_credential_ttl_s, self.nonces, unix_time
        )
        self._logged = Buckets(_LOG_LINES_PER_S, 1.0)
        self._take_limits(settings, policy)

    def reload(self, settings: TurnSettings, secret: str, policy: PeerPolicy) -> None:
        """Take other limits, another secret and another policy for the requests from now on.

        What is allocated stays; permissions and channels stay until they have to be refreshed.
        """
        self.allocations.per_user = settings.allocations_per_user
        self.allocations.maximum = settings.max_allocations
        self._authenticator.reload(secret, settings.max_credential_ttl_s)
        self._take_limits(settings, policy)

    def _take_limits(self, settings: TurnSettings, policy: PeerPolicy) -> None:
        rate = settings.unauthenticated_per_second
        self._unauthenticated = Buckets(rate, max(1.0, rate * _BURST_S))
        self.context = requests.Context(self.allocations, policy, self._advertise, settings.max_lifetime_s)

    def receive(self, client: FiveTuple, data: bytes, now: float) -> None:
        """Take one datagram or one message of a stream from a client."""
        if data and data[0] >> 4 == channel_data.FIRST_CHANNEL >> 12:
            self._receive_channel_data(client, data, now)
            return
        try:
            message = parse(data)
        except StunError:
            self.counters.drop("malformed")
            self._output.close_client(client)
            return
        if message.cls is MessageClass.REQUEST:
            self._receive_request(client, message, now)
        elif message.cls is MessageClass.INDICATION and message.method == Method.SEND:
            self._receive_send(client, message, now)
        elif message.cls is not MessageClass.INDICATION or message.method != Method.BINDING:
            # A Binding indication is a keepalive (RFC 8489 §6.3.2); the others are nothing a client sends.
            self.counters.drop("unexpected message")

    def receive_peer(self, port: int, data: bytes, peer: tuple[str, int], now: float) -> None:
        """Take one datagram that came to a relay port (RFC 8656 §11.3, §12.7)."""
        allocation = self.allocations.by_port.get(port)
        if allocation is None:
            return
        client = allocation.client
        channel = allocation.peers.get(peer)
        # A channel in force is a permission for its peer, also where it outlives the permission made with it.
        if channel is not None and channel.expires > now and channel.reach.allows(peer[1]):
            message = channel_data.build(channel.number, data, padded=client.transport != "udp")
        elif allocation.permits(peer, now):
            transaction_id = self._random.randbytes(12)
            address = xor_address(peer[0], peer[1], transaction_id)
            attributes = ((Attribute.XOR_PEER_ADDRESS, address), (Attribute.DATA, data))
            try:
                message = build(Method.DATA, MessageClass.INDICATION, transaction_id, attributes)
            except StunError:
                self.counters.drop("too long")
                return
        else:
            self.counters.drop("peer without permission")
            return
        if self._output.send_client(client, message):
            allocation.bytes_to_clients += len(data)
            self.counters.packets_to_clients += 1
            self.counters.bytes_to_clients += len(data)
        else:
            self.counters.drop("client too slow")

    def closed(self, client: FiveTuple) -> None:
        """A client's connection is gone, and with it its allocation."""
        allocation = self.allocations.by_client.get(client)
        if allocation is not None:
            self.allocations.remove(allocation)

    def tick(self, now: float) -> None:
        """End what has expired; to be called about once a second."""
        self.allocations.expire(now)

    def _receive_channel_data(self, client: FiveTuple, data: bytes, now: float) -> None:
        try:
            number, payload = channel_data.parse(data)
        except channel_data.ChannelDataError:
            self.counters.drop("malformed")
            self._output.close_client(client)
            return
        allocation = self.allocations.find(client, now)
        channel = allocation.channels.get(number) if allocation else None
        if (
            allocation is None
            or channel is None
            or channel.expires <= now
            or not channel.reach.allows(channel.peer[1])
        ):
            self.counters.drop("unbound channel")
            return
        allocation.heard = now
        self._send_peer(allocation, payload, channel.peer, now)

    def _receive_send(self, client: FiveTuple, message: Message, now: float) -> None:
        """Relay a Send indication (RFC 8656 §11.2)."""
        allocation = self.allocations.find(client, now)
        address, data = message.get(Attribute.XOR_PEER_ADDRESS), message.get(Attribute.DATA)
        if allocation is None or address is None or data is None or _unknown(message):
            self.counters.drop("unusable Send indication")
            return
        try:
            peer = parse_xor_address(address, message.transaction_id)
        except StunError:
            self.counters.drop("unusable Send indication")
            return
        if allocation.permits(peer, now):
            allocation.heard = now
            self._send_peer(allocation, data, peer, now)
        else:
            self.counters.drop("client without permission")

    def _send_peer(self, allocation: Allocation, data: bytes, peer: tuple[str, int], now: float) -> None:
        # Between addresses relayed here nothing leaves the process: behind 1:1 NAT it would not come back.
        relayed_here = peer[0] == self._relayed_ip and peer[1] in self.allocations.by_port
        if relayed_here:
            self.receive_peer(peer[1], data, (self._relayed_ip, allocation.port), now)
        if relayed_here or self._output.send_peer(allocation.port, data, peer):
            allocation.bytes_to_peers += len(data)
            self.counters.packets_to_peers += 1
            self.counters.bytes_to_peers += len(data)
        else:
            self.counters.drop("peer unreachable")

    def _receive_request(self, client: FiveTuple, message: Message, now: float) -> None:
        if message.method == Method.BINDING:
            self._receive_binding(client, message, now)
            return
        handler = requests.HANDLERS.get(message.method)
        if handler is None:
            self.counters.drop("unexpected message")
            return
        user = None
        try:
            allocation = self.allocations.find(client, now)
            holder = None if allocation is None else allocation.user
            user = self._authenticator.user(message, client, now, holder)
            _refuse_unknown(message)
            if allocation is not None:
                allocation.heard = now
            request = Request(client, message, user, allocation, now)
            response = _response(message, MessageClass.SUCCESS, handler(self.context, request), user)
            self.allocations.changed = True
        except TurnError as error:
            self._refuse(client, message, error, user, now)
        else:
            self._answer(client, message, 0, response)

    def _receive_binding(self, client: FiveTuple, message: Message, now: float) -> None:
        if any(kind in _REDIRECTS for kind, _ in message.attributes):
            self.counters.drop("redirection asked")
            return
        try:
            _refuse_unknown(message)
        except TurnError as error:
            self._refuse(client, message, error, None, now)
            return
        if self._within_budget(client, now):
            mapped = xor_address(client.ip, client.port, message.transaction_id)
            attributes = ((Attribute.XOR_MAPPED_ADDRESS, mapped),)
            self._answer(client, message, 0, _response(message, MessageClass.SUCCESS, attributes, None))

    def _refuse(
        self, client: FiveTuple, message: Message, error: TurnError, user: User | None, now: float
    ) -> None:
        """Turn an error into its response: signed for a user, and for anyone else only within the budget."""
        if user is None and not self._within_budget(client, now):
            return
        if user is not None and self._logged.take((error.code, source(client.ip)), now):
            log.info("turn refuses a request", code=error.code, client=client.ip, user=user.name)
        code = (Attribute.ERROR_CODE, error_code(error.code, REASONS[error.code]))
        response = _response(message, MessageClass.ERROR, (code, *error.attributes), user)
        self._answer(client, message, error.code, response)

    def _within_budget(self, client: FiveTuple, now: float) -> bool:
        # The source address of a connection is proven, so each connection has a budget of its own there.
        key = source(client.ip) if client.transport == "udp" else client
        if self._unauthenticated.take(key, now):
            return True
        self.counters.drop("unauthenticated flood")
        return False

    def _answer(self, client: FiveTuple, message: Message, code: int, response: bytes) -> None:
        self.counters.requests[Method(message.method).name.lower(), code] += 1
        if not self._output.send_client(client, response):
            self.counters.drop("client too slow")


def _unknown(message: Message) -> list[int]:
    return [
        kind for kind, _ in message.attributes if comprehension_required(kind) and kind not in _UNDERSTOOD
    ]


def _refuse_unknown(message: Message) -> None:
    """Raise TurnError 420 that lists the attributes this server must know and does not (RFC 8489 §6.3.1)."""
    unknown = _unknown(message)
    if unknown:
        value = struct.pack(f"!{len(unknown)}H", *unknown)
        raise TurnError(420, ((Attribute.UNKNOWN_ATTRIBUTES, value),))


def _response(message: Message, cls: MessageClass, attributes: Attributes, user: User | None) -> bytes:
    return build(
        message.method,
        cls,
        message.transaction_id,
        attributes,
        key=user.key if user else None,
        fingerprint=message.get(Attribute.FINGERPRINT) is not None,
    )
