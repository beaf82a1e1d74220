"""A DTLS client for tests: pyOpenSSL with a certificate of its own."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from bridge.dtls import Certificate
from bridge.srtp import PROFILES, SrtpKeys, split_keys
from jingle.ice import Fingerprint


class DtlsClient:
    """The active side."""

    def __init__(self, profiles: bytes = b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM") -> None:
        made = Certificate()
        context = SSL.Context(SSL.DTLS_METHOD)
        source = SSL.Connection(made.context, None)
        certificate = source.get_certificate(as_cryptography=True)
        assert certificate is not None
        context.use_certificate(certificate)
        context.use_privatekey(made.key)
        if profiles:
            context.set_tlsext_use_srtp(profiles)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        self.fingerprint = Fingerprint("sha-256", made.fingerprint, "active")
        digest = hashlib.sha512(certificate.public_bytes(Encoding.DER)).hexdigest()
        self.fingerprint_512 = Fingerprint("sha-512", ":".join(digest[i : i + 2] for i in range(0, 128, 2)))
        self.connection = SSL.Connection(context, None)
        self.connection.set_connect_state()
        self.connection.set_ciphertext_mtu(1200)
        self.done = False

    def advance(self) -> list[bytes]:
        """Go on with the handshake; gives the datagrams to send, one per record."""
        try:
            self.connection.do_handshake()
            self.done = True
        except SSL.WantReadError:
            self.done = False
        return self.datagrams()

    def datagrams(self) -> list[bytes]:
        """What waits to be sent, one datagram per record."""
        try:
            flight = self.connection.bio_read(65536)
        except SSL.WantReadError:
            return []
        found = []
        while flight:
            length = 13 + int.from_bytes(flight[11:13], "big")
            found.append(flight[:length])
            flight = flight[length:]
        return found

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take a datagram of the server; gives the answer."""
        self.connection.bio_write(datagram)
        return self.advance()

    def server_fingerprint(self) -> str:
        """SHA-256 of the certificate the server showed."""
        certificate = self.connection.get_peer_certificate()
        assert certificate is not None
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        digest = hashlib.sha256(der).hexdigest().upper()
        return ":".join(digest[i : i + 2] for i in range(0, 64, 2))

    def keys(self) -> SrtpKeys:
        """The SRTP keys of the association."""
        name = self.connection.get_selected_srtp_profile()
        profile = next(profile for profile in PROFILES if profile.name == name)
        length = 2 * (profile.key_length + profile.salt_length)
        return split_keys(profile, self.connection.export_keying_material(b"EXTRACTOR-dtls_srtp", length))
