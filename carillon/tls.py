"""TLS of the listeners: one certificate and key, which can be exchanged while connections live."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import structlog

from carillon.unreadable import reason

HANDSHAKE_TIMEOUT_S = 10.0
"""Enough for three round trips and a slow phone's arithmetic; who takes longer is cut."""

log = structlog.get_logger()


class CertificateError(Exception):
    """A certificate or key that cannot be used; the text says which file and why."""


class ServerTls:
    """TLS 1.2 or later with the certificate of two PEM files, for the application protocols `alpn`."""

    def __init__(self, certificate: str, key: str, alpn: Sequence[str]) -> None:
        """Raises CertificateError."""
        self._certificate = certificate
        self._key = key
        self._alpn = list(alpn)
        self._current = self._loaded()
        self.context = self._current
        """For listeners: stays the same and shows every new connection the certificate that is current."""
        self.context.sni_callback = self._show_current

    def reload(self, certificate: str, key: str) -> None:
        """Read the files again, or others. A pair that is of no use changes nothing, and the log says so."""
        self._certificate, self._key = certificate, key
        try:
            self._current = self._loaded()
        except CertificateError as error:
            log.error("certificate not reloaded, the old one stays", reason=str(error))
        else:
            log.info("certificate reloaded", file=self._certificate)

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(self._alpn)
        try:
            # The password keeps OpenSSL from asking for one at the terminal; a key that needs one is refused.
            context.load_cert_chain(self._certificate, self._key, password="-")
        except OSError as error:
            what = f"the certificate {self._certificate} with the key {self._key}"
            why = str(error) if isinstance(error, ssl.SSLError) else reason(error)
            raise CertificateError(f"{what} cannot be used: {why}") from error
        return context

    def _show_current(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        # OpenSSL asks in every handshake, also without a server name in it.
        connection.context = self._current
