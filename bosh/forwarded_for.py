"""X-Forwarded-For: whose address counts where proxies stand before the front. No I/O.

Anybody can send the header. Each proxy appends the address that it was asked from, so the list is read from
its end: what a trusted proxy says is true; what stands before the first hop that is not trusted is hearsay.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from carillon.guard.addresses import Address, canonical

MAX_HOPS = 32
"""Proxies in a row; a longer list is read no further."""

_HOP = re.compile(
    r"""(?P<v4>[0-9.]{7,15})(?::[0-9]{1,5})?
      | \[(?P<bracketed>[0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?
      | (?P<v6>[0-9A-Fa-f:.]{2,45})""",
    re.VERBOSE,
)
"""An address, alone or with a port, as proxies write it."""


class TrustedProxies:
    """The networks of those whose word counts."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(map(ipaddress.ip_network, networks))

    def trusts(self, peer: str) -> bool:
        """Whether a connection is one of theirs; `peer` is the address of its other end, or ""."""
        address = _parsed(peer)
        return address is not None and self._is_one(address)

    def client(self, peer: str, forwarded: str) -> str:
        """The address that counts for a request that came from `peer` with this X-Forwarded-For ("" = none).

        It is the last one in the list that is no trusted proxy's, or the farthest one that could be read.
        """
        address = _parsed(peer)
        if address is None:
            return peer
        hops = forwarded.rsplit(",", MAX_HOPS)[-MAX_HOPS:]
        while self._is_one(address) and hops:
            match = _HOP.fullmatch(hops.pop().strip(" \t"))
            before = _parsed(match["v4"] or match["bracketed"] or match["v6"]) if match else None
            if before is None:
                break
            address = before
        return str(address)

    def _is_one(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _parsed(text: str) -> Address | None:
    try:
        return canonical(text)
    except ValueError:
        return None
