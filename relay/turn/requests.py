"""The requests on allocations (RFC 8656 §7 to §12); each function returns the attributes of its success."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from carillon.guard.addresses import canonical
from carillon.stun import Attribute, Message, Method, StunError, parse_xor_address, xor_address
from relay.turn.allocation import Allocation
from relay.turn.allocations import Allocations
from relay.turn.authentication import User
from relay.turn.channel_data import FIRST_CHANNEL, LAST_CHANNEL
from relay.turn.errors import TurnError
from relay.turn.five_tuple import FiveTuple
from relay.turn.peers import PeerPolicy, Reach

DEFAULT_LIFETIME_S = 600  # RFC 8656 §3.2
_UDP = 17  # IANA protocol number, in REQUESTED-TRANSPORT
_IPV4 = b"\x01\0\0\0"  # REQUESTED-ADDRESS-FAMILY
_FAMILIES = {b"\x01": 4, b"\x02": 6}

Attributes = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Context:
    """What the requests act on."""

    allocations: Allocations
    policy: PeerPolicy
    advertise: str
    """The address of the relayed transport addresses, as clients are told."""
    max_lifetime_s: int


@dataclass(frozen=True, slots=True)
class Request:
    """An authenticated request and the allocation of the client that sent it."""

    client: FiveTuple
    message: Message
    user: User
    allocation: Allocation | None
    now: float

    def own_allocation(self) -> Allocation:
        """Return the allocation, which the same user must have made. Raises TurnError 437 or 441."""
        if self.allocation is None:
            raise TurnError(437)
        if self.allocation.user.username != self.user.username:
            raise TurnError(441)
        return self.allocation


def allocate(context: Context, request: Request) -> Attributes:
    """Allocate (§7.2): a relay port, or the same one again for a retransmission."""
    client, user, message = request.client, request.user, request.message
    if (existing := request.allocation) is not None:
        if (existing.transaction_id, existing.user) != (message.transaction_id, user):
            raise TurnError(437)
        return existing.answer
    _require_udp(message)
    _require_family(message, context, 440)
    even = _even_port(message)
    lifetime = _lifetime(message, context.max_lifetime_s) or min(DEFAULT_LIFETIME_S, context.max_lifetime_s)
    transaction_id = message.transaction_id
    allocation = context.allocations.add(client, user, transaction_id, request.now, lifetime, even=even)
    allocation.answer = (
        (Attribute.XOR_RELAYED_ADDRESS, xor_address(context.advertise, allocation.port, transaction_id)),
        (Attribute.LIFETIME, struct.pack("!I", lifetime)),
        (Attribute.XOR_MAPPED_ADDRESS, xor_address(client.ip, client.port, transaction_id)),
    )
    return allocation.answer


def refresh(context: Context, request: Request) -> Attributes:
    """Refresh (§8.2): a new lifetime; 0 ends the allocation."""
    allocation = request.own_allocation()
    if request.message.get(Attribute.REQUESTED_ADDRESS_FAMILY) is not None:
        _require_family(request.message, context, 443)
    lifetime = _lifetime(request.message, context.max_lifetime_s)
    if lifetime:
        allocation.expires = request.now + lifetime
    else:
        context.allocations.remove(allocation)
    return ((Attribute.LIFETIME, struct.pack("!I", lifetime)),)


def create_permission(context: Context, request: Request) -> Attributes:
    """CreatePermission (§10.2): all of the peers' addresses, or none."""
    allocation = request.own_allocation()
    values = [value for kind, value in request.message.attributes if kind == Attribute.XOR_PEER_ADDRESS]
    if not values:
        raise TurnError(400)
    reaches: dict[str, Reach] = {}
    for value in values:
        (ip, _), reach = _peer(context, request, value)
        reaches[ip] = reach
    allocation.permit(reaches, request.now)
    return ()


def channel_bind(context: Context, request: Request) -> Attributes:
    """ChannelBind (§12.2): a channel to one peer, with its permission."""
    allocation = request.own_allocation()
    channel = request.message.get(Attribute.CHANNEL_NUMBER)
    address = request.message.get(Attribute.XOR_PEER_ADDRESS)
    if channel is None or len(channel) != 4 or address is None:
        raise TurnError(400)
    number: int = struct.unpack_from("!H", channel)[0]
    if not FIRST_CHANNEL <= number <= LAST_CHANNEL:
        raise TurnError(400)
    peer, reach = _peer(context, request, address)
    if not reach.allows(peer[1]):
        raise TurnError(403)
    allocation.bind(number, peer, reach, request.now)
    return ()


HANDLERS: Mapping[int, Callable[[Context, Request], Attributes]] = {
    Method.ALLOCATE: allocate,
    Method.REFRESH: refresh,
    Method.CREATE_PERMISSION: create_permission,
    Method.CHANNEL_BIND: channel_bind,
}


def _require_udp(message: Message) -> None:
    transport = message.get(Attribute.REQUESTED_TRANSPORT)
    if transport is None or len(transport) != 4:
        raise TurnError(400)
    if transport[0] != _UDP:
        raise TurnError(442)


def _require_family(message: Message, context: Context, code: int) -> None:
    """Raise TurnError `code` unless the relayed addresses have the wanted family: IPv4 when none is named."""
    value = message.get(Attribute.REQUESTED_ADDRESS_FAMILY)
    if value is None:
        value = _IPV4
    if len(value) != 4:
        raise TurnError(400)
    if _FAMILIES.get(value[:1]) != canonical(context.advertise).version:
        raise TurnError(code)


def _even_port(message: Message) -> bool:
    """Whether an even port is wanted (EVEN-PORT, RFC 8656 §18.7); TurnError 508 if with its neighbour."""
    value = message.get(Attribute.EVEN_PORT)
    if value is None:
        return False
    if len(value) != 1:
        raise TurnError(400)
    if value[0] & 0x80:
        raise TurnError(508)
    return True


def _lifetime(message: Message, max_lifetime_s: int) -> int:
    """Return the lifetime to grant: 0 if that is asked for, else from the default up to the limit."""
    value = message.get(Attribute.LIFETIME)
    if value is not None and len(value) != 4:
        raise TurnError(400)
    wanted = DEFAULT_LIFETIME_S if value is None else int.from_bytes(value, "big")
    return min(max(wanted, DEFAULT_LIFETIME_S), max_lifetime_s) if wanted else 0


def _peer(context: Context, request: Request, value: bytes) -> tuple[tuple[str, int], Reach]:
    """Return a peer's address and what of it is open to the user. Raises TurnError 400, 403 or 443."""
    try:
        peer = parse_xor_address(value, request.message.transaction_id)
    except StunError:
        raise TurnError(400) from None
    scope = context.policy.scope(request.user.name)
    reach = context.policy.reach(peer[0], context.allocations, scope)
    if reach is None:
        raise TurnError(403)
    # An IPv4 address spelled in IPv6 is none that a relay of either family could send to.
    versions = {canonical(peer[0]).version, 6 if ":" in peer[0] else 4}
    if versions != {canonical(context.advertise).version}:
        raise TurnError(443)
    return peer, reach
