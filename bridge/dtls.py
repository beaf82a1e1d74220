"""The DTLS 1.2 association of one endpoint (RFC 6347) with use_srtp (RFC 5764) and fingerprints (RFC 8122).

OpenSSL over memory buffers: datagrams in, datagrams out. Its retransmission timer runs on OpenSSL's own
clock, so `timeout` only translates what is left of it.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto

from bridge.srtp import PROFILES, SrtpKeys, split_keys
from jingle.ice import Fingerprint

MTU = 1200
"""Largest UDP payload we send: passes every path that carries WebRTC."""
CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"
    b"ECDHE-ECDSA-AES128-SHA:"
    b"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305:"
    b"ECDHE-RSA-AES128-SHA"
)
"""Our own certificate is for ECDSA; those for RSA are for servers that have another."""
HASHES = ("sha-512", "sha-384", "sha-256")
"""Hash functions of fingerprints we believe in, strongest first (RFC 8122 §5)."""
_RECORD_HEADER = 13
_MAX_FLIGHT_BYTES = 1 << 16
_EXPORTER = b"EXTRACTOR-dtls_srtp"


class DtlsError(Exception):
    """The association is over. `reason`: fingerprint, profile, handshake."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or reason)
        self.reason = reason


def _accept_any_certificate(*_: object) -> bool:
    """Self-signed by nature: what counts is the fingerprint, compared before keys are used."""
    return True


class Certificate:
    """The bridge's own certificate, made once per process, and the one SSL context that goes with it."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bridge")])
        today = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - datetime.timedelta(days=1))
            .not_valid_after(today + datetime.timedelta(days=3650))
            .sign(key, hashes.SHA256())
        )
        self.key = key
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        """SHA-256, as it stands in a `<fingerprint/>`."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(CIPHERS)
        context.set_tlsext_use_srtp(b":".join(profile.name for profile in PROFILES))
        context.set_options(
            SSL.OP_NO_QUERY_MTU
            | SSL.OP_NO_TICKET
            | SSL.OP_NO_RENEGOTIATION
            | SSL.OP_CIPHER_SERVER_PREFERENCE
            | SSL.OP_NO_COMPRESSION
        )
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept_any_certificate)
        self.context = context


def usable(fingerprints: tuple[Fingerprint, ...]) -> tuple[Fingerprint, ...]:
    """Those of the strongest hash that we know: one of them has to match (RFC 8122 §5). Empty: none can."""
    for name in HASHES:
        chosen = tuple(one for one in fingerprints if one.hash.lower() == name)
        if chosen:
            return chosen
    return ()


def _matches(certificate: bytes, fingerprints: tuple[Fingerprint, ...]) -> bool:
    matched = False
    for one in usable(fingerprints):
        digest = hashlib.new(one.hash.lower().replace("-", ""), certificate).hexdigest()
        given = one.value.replace(":", "").lower()
        matched |= hmac.compare_digest(digest.encode(), given.encode("utf-8", "replace"))
    return matched


class DtlsAssociation:
    """Feed `receive`, send what `datagrams` yields, look at `keys` and `closed`.

    `active`: we are the DTLS client (RFC 5763 §5), whose first flight waits to be sent at once.
    """

    def __init__(
        self, certificate: Certificate, fingerprints: tuple[Fingerprint, ...], *, active: bool = False
    ) -> None:
        self.active = active
        self.keys: SrtpKeys | None = None
        """SRTP keys; set once the handshake is complete and the fingerprint was right."""
        self.closed = False
        """The other side said good-bye (close_notify)."""
        self._fingerprints = fingerprints
        self._connection = SSL.Connection(certificate.context, None)
        self._connection.set_ciphertext_mtu(MTU)
        if active:
            self._connection.set_connect_state()
            self._advance()
        else:
            self._connection.set_accept_state()

    def receive(self, datagram: bytes) -> None:
        """Take one datagram of the other side. Raises DtlsError when the association cannot go on."""
        self._connection.bio_write(datagram)
        if self.keys is None:
            self._advance()
        if self.keys is not None:
            self._drain()

    def _advance(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise DtlsError("handshake", _words(error)) from None
        self.keys = self._verified_keys()

    def _verified_keys(self) -> SrtpKeys:
        certificate = self._connection.get_peer_certificate()
        if certificate is None:
            raise DtlsError("fingerprint", "no certificate")
        if not _matches(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate), self._fingerprints):
            raise DtlsError("fingerprint", "the certificate is not the signalled one")
        selected = self._connection.get_selected_srtp_profile()
        for profile in PROFILES:
            if profile.name == selected:
                length = 2 * (profile.key_length + profile.salt_length)
                return split_keys(profile, self._connection.export_keying_material(_EXPORTER, length))
        raise DtlsError("profile", "no SRTP profile in common")

    def _drain(self) -> None:
        """Answer what still comes (a repeated last flight); application data has no use here."""
        try:
            while True:
                self._connection.recv(2048)
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error as error:
            raise DtlsError("handshake", _words(error)) from None

    def datagrams(self) -> Iterator[bytes]:
        """What is to be sent: whole records, joined up to the MTU (the memory buffer runs them together)."""
        try:
            flight = self._connection.bio_read(_MAX_FLIGHT_BYTES)
        except SSL.WantReadError:
            return
        start = end = 0
        while end + _RECORD_HEADER <= len(flight):
            record = _RECORD_HEADER + int.from_bytes(flight[end + 11 : end + 13], "big")
            if end > start and end + record - start > MTU:
                yield flight[start:end]
                start = end
            end += record
        if start < len(flight):
            yield flight[start:]

    def close(self) -> None:
        """Queue a close_notify for the other side."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return  # nothing was established that could be closed

    def timeout(self, now: float) -> float | None:
        """When `handle_timeout` is due, on the clock of `now`; None: no flight is under way."""
        left = self._connection.DTLSv1_get_timeout()
        return None if left is None else now + left

    def handle_timeout(self) -> None:
        """Repeat the last flight if its time has come. Raises DtlsError after too many repetitions."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise DtlsError("handshake", _words(error)) from None


def _words(error: SSL.Error) -> str:
    return "; ".join(str(part[-1]) for part in error.args[0]) if error.args and error.args[0] else "failed"
