"""A DTLS client and a DTLS server for tests: pyOpenSSL with a certificate of their own."""

from __future__ import annotations

import datetime
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from bridge.srtp import PROFILES, SrtpKeys, split_keys
from jingle.ice import Fingerprint

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def self_signed(key: Key) -> x509.Certificate:
    """A certificate as Dino makes it: valid from tomorrow on. Who goes by fingerprints asks no calendar."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.not_valid_before(tomorrow).not_valid_after(tomorrow + datetime.timedelta(days=2))
    return dated.serial_number(1).sign(key, hashes.SHA256())


class DtlsClient:
    """The active side."""

    def __init__(
        self, profiles: bytes = b"SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM", key: Key | None = None
    ) -> None:
        key = key or ec.generate_private_key(ec.SECP256R1())
        certificate = self_signed(key)
        context = SSL.Context(SSL.DTLS_METHOD)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        if profiles:
            context.set_tlsext_use_srtp(profiles)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        self.fingerprint = Fingerprint("sha-256", _digest(certificate, hashes.SHA256()), "active")
        self.fingerprint_512 = Fingerprint("sha-512", _digest(certificate, hashes.SHA512()))
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
        """Take a datagram of the other side; gives the answer."""
        self.connection.bio_write(datagram)
        return self.advance()

    def server_fingerprint(self) -> str:
        """SHA-256 of the certificate the other side showed."""
        certificate = self.connection.get_peer_certificate()
        assert certificate is not None
        return _digest(certificate.to_cryptography(), hashes.SHA256())

    def keys(self) -> SrtpKeys:
        """The SRTP keys of the association."""
        name = self.connection.get_selected_srtp_profile()
        profile = next(profile for profile in PROFILES if profile.name == name)
        length = 2 * (profile.key_length + profile.salt_length)
        return split_keys(profile, self.connection.export_keying_material(b"EXTRACTOR-dtls_srtp", length))


class DtlsServer(DtlsClient):
    """The passive side: it has nothing to say before it is spoken to."""

    def __init__(self, key: Key | None = None) -> None:
        super().__init__(key=key)
        self.connection.set_accept_state()
        self.fingerprint = replace(self.fingerprint, setup="passive")


def _digest(certificate: x509.Certificate, algorithm: hashes.HashAlgorithm) -> str:
    return certificate.fingerprint(algorithm).hex(":").upper()
