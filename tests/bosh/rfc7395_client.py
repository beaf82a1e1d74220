"""A client of XMPP over WebSocket written by hand over aiohttp, independent of the code it tests."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from typing import Protocol

import aiohttp

from bosh.main import Front

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"


class XmppClient:
    """A client that does as RFC 7395 says and checks what it gets."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.jid = ""

    async def send(self, text: str) -> None:
        await self.socket.send_str(text)

    async def receive(self, pattern: str) -> str:
        """The next message, which must contain `pattern` (a regular expression)."""
        message = await self.socket.receive(10)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        text: str = message.data
        assert re.search(pattern, text, re.DOTALL), text
        return text

    async def closed(self) -> int | None:
        """Wait for the end of the WebSocket; its close code."""
        message = await self.socket.receive(10)
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED), message
        return self.socket.close_code

    async def open(self, domain: str) -> str:
        """Open or restart the stream; the features."""
        await self.send(f"<open xmlns='{FRAMING}' to='{domain}' version='1.0'/>")
        await self.receive("^<open .*xmlns=.*id=.*version=")
        return await self.receive("^<stream:features.*xmlns:stream=")

    async def login(self, domain: str, name: str = "", password: str = "") -> str:
        """Log in, as a guest without a name, and bind; the full JID."""
        await self.authenticate(domain, name, password)
        await self.send(f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{BIND}'/></iq>")
        bound = re.search("<jid>(.*)</jid>", await self.receive("type=['\"]result"))
        assert bound
        self.jid = bound[1]
        return self.jid

    async def authenticate(self, domain: str, name: str = "", password: str = "") -> None:
        """Log in, as a guest without a name, and open the stream that follows; no resource is bound."""
        features = await self.open(domain)
        assert "starttls" not in features and "-PLUS" not in features
        await (self._scram(name, password) if name else self._anonymous())
        await self.open(domain)

    async def _anonymous(self) -> None:
        await self.send(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>")
        await self.receive("^<success")

    async def _scram(self, name: str, password: str) -> None:
        """SCRAM-SHA-1 (RFC 5802)."""
        first = f"n={name},r={secrets.token_hex(8)}"
        start = base64.b64encode(f"n,,{first}".encode()).decode()
        await self.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>{start}</auth>")
        challenge = re.search(">(.*)<", await self.receive("^<challenge"))
        assert challenge
        server_first = base64.b64decode(challenge[1]).decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac(
            "sha1", password.encode(), base64.b64decode(fields["s"]), int(fields["i"])
        )
        without_proof = f"c=biws,r={fields['r']}"
        message = f"{first},{server_first},{without_proof}".encode()
        client_key = hmac.digest(salted, b"Client Key", "sha1")
        signature = hmac.digest(hashlib.sha1(client_key).digest(), message, "sha1")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        final = f"{without_proof},p={base64.b64encode(proof).decode()}"
        await self.send(f"<response xmlns='{SASL}'>{base64.b64encode(final.encode()).decode()}</response>")
        verifier = hmac.digest(hmac.digest(salted, b"Server Key", "sha1"), message, "sha1")
        success = re.search(">(.*)<", await self.receive("^<success"))
        assert success
        assert base64.b64decode(success[1]).decode() == f"v={base64.b64encode(verifier).decode()}"

    async def ping(self) -> None:
        """One round trip to the server."""
        number = os.urandom(4).hex()
        await self.send(
            f"<iq xmlns='jabber:client' type='get' id='{number}'><ping xmlns='urn:xmpp:ping'/></iq>"
        )
        await self.receive(f"{number}.*type=.result|type=.result.*{number}")


class Connect(Protocol):
    """Opens WebSockets."""

    async def __call__(self, front: Front, query: str = "") -> XmppClient:
        """Open one; `query` follows the path, with its question mark."""


"""Opens a WebSocket to a front."""


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  what is waited for is another process or the event loop itself
            await asyncio.sleep(0.01)
