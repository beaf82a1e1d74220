"""A guest on the XMPP server's client port, as the front logs them in: does it get in, and who answers it.

Only with this can be told whether a component is connected that cannot be asked otherwise: to connect in its
name would push it aside (Prosody), or take half of its stanzas (ejabberd).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

from carillon.check.client_stream import ClientStream, StreamRefused
from carillon.check.words import why
from carillon.settings import XmppSettings

LOGIN_S = 4.0
PING_S = 3.0
"""A server answers within milliseconds, unless it looks for a host elsewhere."""

_NOBODY = frozenset(
    (
        "remote-server-timeout",  # Prosody, of a component that is not connected
        "remote-server-not-found",
        "not-allowed",  # Prosody, of a host that it does not have, where it speaks to no other servers
        "forbidden",  # ejabberd, in both cases
        "recipient-unavailable",
    )
)
"""How servers say that nobody is there. Components that know no pings have other errors for them."""


@dataclass(frozen=True)
class GuestSeen:
    """What a guest saw."""

    trouble: str = ""
    """Why there was none."""
    answering: frozenset[str] = frozenset()
    """Those of the hosts asked that a component stands behind."""
    free: frozenset[str] = frozenset()
    """Those that nobody stands behind, as the server says. About the rest nobody knows."""


async def look(xmpp: XmppSettings, hosts: Iterable[str]) -> GuestSeen:
    """Log in and ping `hosts`."""
    try:
        async with asyncio.timeout(LOGIN_S):
            reader, writer = await asyncio.open_connection(xmpp.server, xmpp.c2s_port)
        try:
            return await _seen(ClientStream(reader, writer, xmpp.guest_domain), hosts)
        finally:
            writer.close()
    except TimeoutError:
        return GuestSeen(f"{xmpp.server}:{xmpp.c2s_port} does not answer")
    except (StreamRefused, ParseError) as refusal:
        return GuestSeen(str(refusal))
    except OSError as error:
        return GuestSeen(f"nothing answers at {xmpp.server}:{xmpp.c2s_port} ({why(error)})")


async def _seen(stream: ClientStream, hosts: Iterable[str]) -> GuestSeen:
    async with asyncio.timeout(LOGIN_S):
        await stream.log_in()
    answers: dict[str, str] = {}
    try:
        async with asyncio.timeout(PING_S):
            for host in hosts:
                answers[host] = await stream.ping(host)
    except TimeoutError:
        pass
    free = frozenset(host for host, answer in answers.items() if answer in _NOBODY)
    return GuestSeen(answering=frozenset(answers) - free, free=free)
