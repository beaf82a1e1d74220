"""Whether the XMPP server serves `xmpp.domain` itself: people's accounts, and whom the component pings.

A component cannot tell: its questions to a domain that the server lacks get the errors of any other domain.
A client's stream can, for a server names a host that it does not serve (RFC 6120 §4.9.3.6).
"""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import ParseError

from carillon.check.client_stream import ClientStream, StreamRefused
from carillon.check.finding import Finding, error, ok
from carillon.settings import XmppSettings

SUBJECT = "domain"
PART = "component"

OPEN_S = 4.0
"""From connecting to the server's first word about the stream."""

_NOT_SERVED = frozenset(("host-unknown", "host-gone"))


async def look(xmpp: XmppSettings) -> list[Finding]:
    """Open a stream to the domain; nothing is found where it fails for another reason, as guests do then."""
    try:
        async with asyncio.timeout(OPEN_S):
            reader, writer = await asyncio.open_connection(xmpp.server, xmpp.c2s_port)
            try:
                await ClientStream(reader, writer, xmpp.domain).open()
            finally:
                writer.close()
    except StreamRefused as refusal:
        return [_not_served(xmpp.domain)] if refusal.condition in _NOT_SERVED else []
    except (OSError, ParseError):  # TimeoutError is an OSError
        return []
    return [ok(PART, SUBJECT, f"the XMPP server serves {xmpp.domain}")]


def _not_served(domain: str) -> Finding:
    todo = (
        f'add it there (Prosody: VirtualHost "{domain}"; ejabberd: {domain} under hosts) and restart the'
        " server, or mend xmpp.domain"
    )
    return error(PART, SUBJECT, f"the XMPP server does not serve {domain}, which is xmpp.domain", todo)
