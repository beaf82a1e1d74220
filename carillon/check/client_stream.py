"""A client's stream on the XMPP server's client port, as far as the checks need one (RFC 6120)."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element, XMLPullParser
from xml.sax.saxutils import quoteattr

MAX_BYTES = 262144
"""Of what is read of the server."""

_SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
_TLS = "{urn:ietf:params:xml:ns:xmpp-tls}"
_STREAM = "http://etherx.jabber.org/streams"


class StreamRefused(Exception):
    """The server does not go on; the text says why, in words that go on after "guests cannot log in: "."""

    def __init__(self, text: str, condition: str = "") -> None:
        """`condition` is that of the stream error, "" when there was none."""
        super().__init__(text)
        self.condition = condition


class ClientStream:
    """One stream to `host`, without TLS as those of the front."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        self._left = MAX_BYTES
        self._parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
        self._depth = 0

    async def open(self) -> Element:
        """Open or restart the stream; its features. Raises StreamRefused."""
        self._parser, self._depth = XMLPullParser(("start", "end")), 0
        self._write(
            f"<?xml version='1.0'?><stream:stream to={quoteattr(self._host)} version='1.0'"
            f" xmlns='jabber:client' xmlns:stream='{_STREAM}'>"
        )
        features = await self._next()
        if features.tag != f"{{{_STREAM}}}features":
            raise StreamRefused(f"the server opens no stream to {self._host}")
        return features

    async def log_in(self) -> None:
        """Log in anonymously (XEP-0175) and bind a resource. Raises StreamRefused."""
        features = await self.open()
        mechanisms = {one.text for one in features.iter(f"{_SASL}mechanism")}
        if "ANONYMOUS" not in mechanisms:
            if features.find(f"{_TLS}starttls") is not None and not mechanisms:
                raise StreamRefused(f"the server wants TLS of clients of {self._host}")
            raise StreamRefused(f"the server offers no anonymous login on {self._host}")
        self._write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
        if (await self._next()).tag != f"{_SASL}success":
            raise StreamRefused(f"the server refuses the anonymous login on {self._host}")
        await self.open()
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

    def _write(self, text: str) -> None:
        self._writer.write(text.encode())

    async def _next(self) -> Element:
        """The next element of the stream. Raises StreamRefused when it ends, or is an error."""
        while True:
            for event in self._parser.read_events():
                self._depth += 1 if event[0] == "start" else -1
                if event[0] == "end" and self._depth == 1:
                    element = event[-1]
                    assert isinstance(element, Element)
                    if element.tag == f"{{{_STREAM}}}error":
                        condition = _condition(element)
                        raise StreamRefused(f"the server refuses {self._host} ({condition})", condition)
                    return element
            try:
                data = await self._reader.read(65536)
            except ConnectionError:  # it closed while we were writing
                data = b""
            self._left -= len(data)
            if not data or self._left < 0:
                raise StreamRefused(f"the server closes the stream to {self._host}")
            self._parser.feed(data)


def _condition(error: Element) -> str:
    return next((child.tag.rpartition("}")[2] for child in error), "no reason given")
