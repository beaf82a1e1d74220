"""Certificates: self-signed ones made, and what there is to know about any."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from carillon.command_line import CommandError
from carillon.files import write_private
from carillon.settings.rules import is_address
from carillon.unreadable import reason

LIFE = timedelta(days=365)
"""Life of a self-signed certificate; browsers take no longer one than 398 days."""

RENEW = timedelta(days=30)
"""A certificate with less than this left is made anew at the next start of `carillon dev`."""

_HOST = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class UnreadableCertificate(CommandError):
    """A file that holds no certificate; the text says which and why."""


@dataclass(frozen=True)
class Facts:
    """What people want to know of a certificate."""

    names: tuple[str, ...]
    """Host names and IP addresses it is for."""
    issuer: str
    expires: datetime
    self_signed: bool


def facts(certificate: Path) -> Facts:
    """Read the first certificate of a PEM file. Raises UnreadableCertificate."""
    try:
        return _facts(x509.load_pem_x509_certificate(certificate.read_bytes()))
    except OSError as error:
        raise UnreadableCertificate(f"{certificate} cannot be read: {reason(error)}") from error
    except ValueError as error:
        raise UnreadableCertificate(f"{certificate} holds no certificate that can be read as PEM") from error


def facts_of(der: bytes) -> Facts:
    """The same of a certificate that a server has shown, as DER. Raises ValueError."""
    return _facts(x509.load_der_x509_certificate(der))


def _facts(found: x509.Certificate) -> Facts:
    names = tuple(str(name.value) for name in _names_of(found))
    return Facts(
        names, found.issuer.rfc4514_string(), found.not_valid_after_utc, found.issuer == found.subject
    )


def der_of(certificate: Path) -> bytes:
    """The first certificate of a PEM file, as DER. Raises OSError or ValueError."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return found.public_bytes(serialization.Encoding.DER)


def make_self_signed(certificate: Path, key: Path, names: Sequence[str], now: datetime | None = None) -> None:
    """Write a new key and a certificate by it for `names`, host names and IP addresses. Raises ValueError."""
    now = now or datetime.now(UTC)
    alternative = x509.SubjectAlternativeName(list(map(_general_name, names)))
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "carillon, self-signed")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFE)
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(key, pem.decode("ascii"))
    write_private(certificate, signed.public_bytes(serialization.Encoding.PEM).decode("ascii"))


def ensure(certificate: Path, key: Path, names: Sequence[str], now: datetime | None = None) -> None:
    """Have a self-signed certificate for exactly `names` in the PEM files; a good one is kept."""
    now = now or datetime.now(UTC)
    if not (key.exists() and _serves(certificate, names, now)):
        make_self_signed(certificate, key, names, now)


def _serves(certificate: Path, names: Sequence[str], now: datetime) -> bool:
    try:
        found = facts(certificate)
    except UnreadableCertificate:
        return False
    return (
        set(found.names) == {str(_general_name(name).value) for name in names} and found.expires > now + RENEW
    )


def _general_name(name: str) -> x509.GeneralName:
    if is_address(name):
        return x509.IPAddress(ipaddress.ip_address(name))
    if not _HOST.fullmatch(name):
        raise ValueError(f"{name!r} is neither a host name in ASCII nor an IP address")
    return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return list(alternative.value)
