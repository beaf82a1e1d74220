"""A STUN client over one socket (RFC 8489 §6.2): requests and their answers, over UDP, TCP or TLS."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from typing import Any

from carillon import stun
from carillon.check.words import why
from carillon.stun import Message, MessageClass

ANSWER_S = 3.0
"""How long an answer is waited for. Over UDP the request is repeated meanwhile (RFC 8489 §6.2.1)."""
FIRST_REPEAT_S = 0.25
CONNECT_S = 3.0
MAX_WAITING = 100
"""Messages that nobody has taken yet."""
MAX_BUFFERED = 70_000
"""Of a stream: more than one message of any kind can be."""

Cut = Callable[[bytearray], bytes | None]
"""Takes the first whole message off the front of a stream's buffer, None while there is none."""


class NoAnswer(Exception):
    """Nobody answers; the text says in which way, to go on after "no answer: "."""


class StunClient:
    """Speaks to one server; what it has not asked for waits in `unasked`."""

    def __init__(
        self, transport: str, cut: Cut | None = None, wrap: Callable[[bytes], bytes] = bytes
    ) -> None:
        """`transport` is udp, tcp or tls; `cut` and `wrap` say how messages stand in a stream."""
        self.transport = transport
        self.unasked: asyncio.Queue[Message] = asyncio.Queue(MAX_WAITING)
        self._cut = cut or cut_stun
        self._wrap = wrap
        self._buffer = bytearray()
        self._asked: dict[bytes, asyncio.Future[Message]] = {}
        self._out: Any = None

    async def connect(self, host: str, port: int) -> None:
        """Raises NoAnswer."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                if self.transport == "udp":
                    self._out, _ = await loop.create_datagram_endpoint(
                        lambda: _Datagrams(self), remote_addr=(host, port)
                    )
                else:
                    context = _anything() if self.transport == "tls" else None
                    self._out, _ = await loop.create_connection(
                        lambda: _Stream(self), host, port, ssl=context
                    )
        except TimeoutError:
            raise NoAnswer("the connection is neither taken nor refused (a firewall?)") from None
        except OSError as error:
            raise NoAnswer(why(error)) from None

    def close(self) -> None:
        """Close the socket; idempotent."""
        if self._out is not None:
            self._out.abort()

    def send(self, message: bytes) -> None:
        """Send one message."""
        if self.transport == "udp":
            self._out.sendto(message)
        else:
            self._out.write(self._wrap(message))

    async def exchange(self, request: bytes) -> Message:
        """Send a request and give the response to it, whichever it is. Raises NoAnswer."""
        id = request[8:20]
        answer = self._asked[id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answer(request, answer)
        except TimeoutError:
            raise NoAnswer(f"nothing came back in {ANSWER_S:.0f} s") from None
        finally:
            del self._asked[id]

    async def _answer(self, request: bytes, answer: asyncio.Future[Message]) -> Message:
        pause_s = FIRST_REPEAT_S
        while True:
            self.send(request)
            if self.transport != "udp":
                return await answer
            done, _ = await asyncio.wait([answer], timeout=pause_s)
            if done:
                return answer.result()
            pause_s *= 2

    def take(self, data: bytes) -> None:
        """One message has come; what is none is passed over."""
        try:
            message = stun.parse(data)
        except stun.StunError:
            return
        waiting = self._asked.get(message.transaction_id)
        if message.cls in (MessageClass.SUCCESS, MessageClass.ERROR):
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif not self.unasked.full():
            self.unasked.put_nowait(message)

    def take_stream(self, data: bytes) -> None:
        """Bytes of a stream have come."""
        self._buffer += data
        while (message := self._cut(self._buffer)) is not None:
            self.take(message)
        if len(self._buffer) > MAX_BUFFERED:
            self.close()

    def lost(self, why: str) -> None:
        """The socket is closed, or says that nobody is there: who waits has no reason to go on."""
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(NoAnswer(why))


def new_transaction() -> bytes:
    """A transaction ID (RFC 8489 §5)."""
    return os.urandom(12)


def cut_stun(buffer: bytearray) -> bytes | None:
    """STUN in a stream tells its own length (RFC 8489 §6.2.2)."""
    size = stun.HEADER_BYTES + int.from_bytes(buffer[2:4], "big")
    if len(buffer) < stun.HEADER_BYTES or len(buffer) < size:
        return None
    message = bytes(buffer[:size])
    del buffer[:size]
    return message


def cut_rfc4571(buffer: bytearray) -> bytes | None:
    """ICE over TCP: two bytes of length before each message (RFC 4571 §2)."""
    size = 2 + int.from_bytes(buffer[:2], "big")
    if len(buffer) < 2 or len(buffer) < size:
        return None
    message = bytes(buffer[2:size])
    del buffer[:size]
    return message


def wrap_rfc4571(message: bytes) -> bytes:
    """The other way."""
    return len(message).to_bytes(2, "big") + message


def _anything() -> ssl.SSLContext:
    """A client that looks at no certificate: carillon.check.certificates does."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, client: StunClient) -> None:
        self._client = client

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._client.take(data)

    def error_received(self, exc: Exception) -> None:
        self._client.lost(why(exc))


class _Stream(asyncio.Protocol):
    def __init__(self, client: StunClient) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.take_stream(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.lost("the connection was closed")
