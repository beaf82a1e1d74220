"""What a real TLS listener shows, as the check sees it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from carillon.certificate import der_of, make_self_signed
from carillon.check.certificates import of_served, served
from carillon.check.finding import Level
from tests.ports import free_port

NAME = "meet.example.org"


@asynccontextmanager
async def listener(pem: Path, key: Path) -> AsyncIterator[int]:
    """Shows a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    port = free_port()
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port, ssl=context)
    try:
        yield port
    finally:
        server.close()


async def judged(pem: Path, key: Path, name: str = NAME) -> tuple[Level, str]:
    async with listener(pem, key) as port:
        seen = await served("127.0.0.1", port, name)
    assert seen is not None
    assert seen.der == der_of(pem)
    found = of_served("front", name, seen, None, datetime.now(UTC))
    return found.level, found.what


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate."""
    files = tmp_path / "a.pem", tmp_path / "a.key"
    make_self_signed(*files, (NAME,))
    return files


async def test_a_self_signed_certificate_is_called_that(own: tuple[Path, Path]) -> None:
    level, what = await judged(*own)
    assert level is Level.WARNING
    assert "self-signed" in what


async def test_one_that_this_machine_trusts_is_well(
    own: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(own[0]))
    assert (await judged(*own))[0] is Level.OK


async def test_a_name_that_it_is_not_for_is_told(
    own: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(own[0]))
    level, what = await judged(*own, name="other.example.org")
    assert level is Level.ERROR
    assert what == f"the certificate is for {NAME}, not for other.example.org"


async def test_a_chain_without_its_authority_is_told(tmp_path: Path) -> None:
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Somebody")]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    (tmp_path / "a.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "a.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    level, what = await judged(tmp_path / "a.pem", tmp_path / "a.key")
    assert level is Level.ERROR
    assert what.endswith("leads to no authority that is known here: CN=Somebody")


async def test_where_nobody_listens_nothing_is_shown() -> None:
    assert await served("127.0.0.1", free_port(), NAME) is None
