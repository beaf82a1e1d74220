"""TLS of one connection (RFC 8656 §2.1, RFC 7443) without I/O: bytes of the stream in and out."""

from __future__ import annotations

import ssl
from contextlib import suppress

ALPN = ("stun.turn", "stun.nat-discovery")  # RFC 7443 §3; a client that names none is served as well
_READ_BYTES = 65536


class TlsError(Exception):
    """The handshake or a record failed: the connection is of no use."""


class TlsStream:
    """The server's side."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.established = False
        """Whether the handshake is done."""
        self.ended = False
        """Whether the client has said that it sends nothing more."""

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the stream; returns the application data in them. Raises TlsError.

        Either way `outgoing` has the answers of TLS itself.
        """
        self._in.write(data)
        plain = bytearray()
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            while chunk := self._tls.read(_READ_BYTES):
                plain += chunk
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise TlsError(error.reason or "TLS failed") from error
        return bytes(plain)

    def encrypted(self, data: bytes) -> bytes:
        """Return what is to be sent for application data. Raises TlsError, also before the handshake."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise TlsError(error.reason or "TLS failed") from error
        return self.outgoing()

    def farewell(self) -> bytes:
        """Return what tells the client that nothing more is sent."""
        with suppress(ssl.SSLError):  # the client's own farewell is not waited for
            self._tls.unwrap()
        return self.outgoing()

    def outgoing(self) -> bytes:
        """Take what is to be sent."""
        return self._out.read()
