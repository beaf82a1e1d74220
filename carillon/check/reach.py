"""Whether addresses that clients are told can be reached by those whom the page is for."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from carillon.check.finding import Finding, error, ok
from carillon.guard.addresses import is_public
from carillon.settings import Settings
from carillon.settings.rules import is_address

RESOLVE_S = 4.0


async def addresses_of(host: str) -> tuple[str, ...]:
    """The IP addresses of a host name, as this machine's resolver knows them; of an address, itself."""
    if is_address(host):
        return (host,)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


async def front_is_public(settings: Settings) -> bool:
    """Whether people from anywhere open the page: its address is a public one."""
    host = urlsplit(settings.front.public_url).hostname or ""
    return any(map(is_public, await addresses_of(host)))


def of_advertised(part: str, setting: str, told: Sequence[str], *, public: bool) -> Finding | None:
    """What is to be said of addresses that clients are told; host names among them are others' business.

    `public` says whether the page is for everybody. None when there is no address among them.
    """
    addresses = [one for one in told if is_address(one)]
    subject = f"{setting}.advertise"
    if not addresses:
        return None
    shown = ", ".join(addresses)
    if any(map(is_public, addresses)):
        return ok(part, subject, f"clients are told {shown}")
    loopback = all(ipaddress.ip_address(one).is_loopback for one in addresses)
    kind = "a loopback address" if loopback else "private"
    if not public:
        where = "works only on this machine" if loopback else "works only where that address is reached"
        return ok(part, subject, f"clients are told {shown}, which is {kind}: it {where}")
    what = f"clients are told {shown}, which is {kind}, but the page is open to everybody"
    todo = f"set {subject} to the public address of this machine (behind a NAT: that of the NAT)"
    return error(part, subject, what, todo)
