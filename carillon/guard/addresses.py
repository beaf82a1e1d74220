"""Classes of IP addresses (IANA special-purpose registries, RFC 6890), blind to how an address is spelled.

An IPv6 address may carry an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo, …), and a rule about the
IPv4 address must hold for each of those spellings.
"""

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Never the address of one peer: this host or network, multicast, reserved and broadcast.
_NO_UNICAST = _networks("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")
_NOT_PUBLIC = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",  # a cloud's host agent and metadata, although the number looks public
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
)
_IPV6_GLOBAL = _networks("2000::/3", "64:ff9b::/96")
_LOW_32 = 0xFFFFFFFF
# Prefixes of IPv6 addresses that are an IPv4 address: mapped, compatible (RFC 4291), translated (RFC 2765).
_IPV4_ITSELF = _networks("::ffff:0:0/96", "::ffff:0:0:0/96", "::/96")
_NAT64 = _networks("64:ff9b::/96", "64:ff9b:1::/48")
_ISATAP = (0x00005EFE, 0x02005EFE)  # interface identifiers of RFC 5214, before the IPv4 address


def _in(address: Address, networks: Iterable[Network]) -> bool:
    # Membership compares integers; a network of the other family never holds the address.
    return any(address in network for network in networks)


def canonical(address: str | Address) -> Address:
    """Return the address that is meant: IPv4 for the IPv6 forms that only spell one. Raises ValueError."""
    if isinstance(address, str):
        address = ipaddress.ip_address(address)
    if isinstance(address, ipaddress.IPv6Address):
        number = int(address)
        if _in(address, _IPV4_ITSELF) and number not in (0, 1):  # :: and ::1 are IPv6's own
            return ipaddress.IPv4Address(number & _LOW_32)
        return ipaddress.IPv6Address(number)  # without a zone
    return address


def spellings(address: str | Address) -> tuple[Address, ...]:
    """Return the canonical address and each IPv4 address that a translator may make of it."""
    meant = canonical(address)
    if isinstance(meant, ipaddress.IPv4Address):
        return (meant,)
    number = int(meant)
    embedded = []
    if _in(meant, _NAT64) or number >> 32 & _LOW_32 in _ISATAP:
        embedded.append(ipaddress.IPv4Address(number & _LOW_32))
    if meant.sixtofour:
        embedded.append(meant.sixtofour)
    if meant.teredo:
        embedded.extend(meant.teredo)
    return (meant, *embedded)


def is_unicast(address: str | Address) -> bool:
    """Whether no spelling is unspecified, multicast, broadcast or reserved."""
    return not any(_in(spelling, _NO_UNICAST) for spelling in spellings(address))


def is_public(address: str | Address) -> bool:
    """Whether the address is globally routable unicast in every spelling."""
    return is_unicast(address) and all(map(_is_routed, spellings(address)))


def _is_routed(spelling: Address) -> bool:
    return not _in(spelling, _NOT_PUBLIC) and (spelling.version == 4 or _in(spelling, _IPV6_GLOBAL))


def is_in(address: str | Address, networks: Iterable[Network]) -> bool:
    """Whether every spelling lies in one of the networks or, when translated on the way, is public."""
    networks = tuple(networks)
    inside = [_in(spelling, networks) for spelling in spellings(address)]
    return any(inside) and all(map(operator.or_, inside, map(_is_routed, spellings(address))))


def source(ip: str) -> str:
    """Return the key by which limits count a source: the IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in ip:
        return ip
    address = canonical(ip)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
