"""A guest on the XMPP server's client port, as the front logs them in: does it get in, and who answers it.

Only with this can be told whether a component is connected that cannot be asked otherwise: to connect in its
name would push it aside (Prosody), or take half of its stanzas (ejabberd).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, XMLPullParser
from xml.sax.saxutils import quoteattr

from carillon.check.words import why
from carillon.settings import XmppSettings

LOGIN_S = 4.0
PING_S = 3.0
"""A server answers within milliseconds, unless it looks for a host elsewhere."""
MAX_BYTES = 262144
"""Of what is read of the server."""

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

_SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
_TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
_STREAM = "http://etherx.jabber.org/streams"


class GuestRefused(Exception):
    """No guest gets in; the text says why, in words that go on after "guests cannot log in: "."""


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
            return await _seen(_Stream(reader, writer, xmpp.guest_domain), hosts)
        finally:
            writer.close()
    except TimeoutError:
        return GuestSeen(f"{xmpp.server}:{xmpp.c2s_port} does not answer")
    except (GuestRefused, ParseError) as refusal:
        return GuestSeen(str(refusal))
    except OSError as error:
        return GuestSeen(f"nothing answers at {xmpp.server}:{xmpp.c2s_port} ({why(error)})")


async def _seen(stream: _Stream, hosts: Iterable[str]) -> GuestSeen:
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


class _Stream:
    """One client stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        self._left = MAX_BYTES
        self._parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
        self._depth = 0

    async def log_in(self) -> None:
        """Log in anonymously (XEP-0175) and bind a resource. Raises GuestRefused."""
        features = await self._open()
        mechanisms = {one.text for one in features.iter(f"{_SASL}mechanism")}
        if "ANONYMOUS" not in mechanisms:
            if features.find(f"{_TLS}starttls") is not None and not mechanisms:
                raise GuestRefused(f"the server wants TLS of clients of {self._host}")
            raise GuestRefused(f"the server offers no anonymous login on {self._host}")
        self._write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
        if (await self._next()).tag != f"{_SASL}success":
            raise GuestRefused(f"the server refuses the anonymous login on {self._host}")
        await self._open()
        await self._ask("", "set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>")

    async def ping(self, host: str) -> str:
        """The condition of the error that answers a ping to `host` (XEP-0199); "" when there is none."""
        answer = await self._ask(f" to={quoteattr(host)}", "get", "<ping xmlns='urn:xmpp:ping'/>")
        errors = (child for child in answer if child.tag.rpartition("}")[2] == "error")
        return next(map(_condition, errors), "undefined-condition" if answer.get("type") == "error" else "")

    async def _ask(self, to: str, type: str, payload: str) -> Element:
        self._write(f"<iq type='{type}' id='check'{to}>{payload}</iq>")
        while (answer := await self._next()).get("id") != "check":
            pass
        return answer

    async def _open(self) -> Element:
        """Open or restart the stream; its features."""
        self._parser, self._depth = XMLPullParser(("start", "end")), 0
        self._write(
            f"<?xml version='1.0'?><stream:stream to={quoteattr(self._host)} version='1.0'"
            f" xmlns='jabber:client' xmlns:stream='{_STREAM}'>"
        )
        return await self._next()

    def _write(self, text: str) -> None:
        self._writer.write(text.encode())

    async def _next(self) -> Element:
        """The next element of the stream. Raises GuestRefused when it ends, or is an error."""
        while True:
            for event in self._parser.read_events():
                self._depth += 1 if event[0] == "start" else -1
                if event[0] == "end" and self._depth == 1:
                    element = event[-1]
                    assert isinstance(element, Element)
                    if element.tag == f"{{{_STREAM}}}error":
                        raise GuestRefused(f"the server refuses {self._host} ({_condition(element)})")
                    return element
            try:
                data = await self._reader.read(65536)
            except ConnectionError:  # it closed while we were writing
                data = b""
            self._left -= len(data)
            if not data or self._left < 0:
                raise GuestRefused(f"the server closes the stream to {self._host}")
            self._parser.feed(data)


def _condition(error: Element) -> str:
    return next((child.tag.rpartition("}")[2] for child in error), "no reason given")
