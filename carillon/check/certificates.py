"""Certificates: the files, and what the front and the relay really show (expiry, chain, name, key)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from carillon.certificate import Facts, UnreadableCertificate, facts, facts_of
from carillon.check.finding import Finding, error, name_of, ok, warning
from carillon.settings import Settings
from carillon.settings.rules import is_address
from carillon.tls import CertificateError, ServerTls

PART = "certificates"
SOON = timedelta(days=14)
"""Renewal begins 30 days before the end (certbot): one that has not happened by now does not happen."""
HANDSHAKE_S = 4.0

# Codes of X509_verify_cert (OpenSSL, x509_vfy.h).
_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 18, 19
_NO_ISSUER_HERE, _NO_ISSUER = 20, 21


@dataclass(frozen=True)
class Pair:
    """Certificate and key as the configuration names them."""

    sections: tuple[str, ...]
    """Whose they are, front or turn; the first one names them."""
    certificate: Path
    key: Path

    @property
    def subject(self) -> str:
        """The subject of the finding about it."""
        return f"{self.sections[0]}.certificate"


@dataclass(frozen=True)
class Served:
    """What a TLS listener showed: its first certificate, as DER, and whether it was believed."""

    der: bytes
    untrusted: int | None
    """OpenSSL's reason why a client of this machine refuses it, None when it does not."""
    reason: str = ""
    """The same in OpenSSL's words."""


async def served(host: str, port: int, name: str) -> Served | None:
    """Shake hands with a listener, once believing anything and once not; None when nobody answers."""
    anything = ssl.create_default_context()
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            der = await _shown(host, port, name, anything)
            try:
                await _shown(host, port, name, ssl.create_default_context())
            except ssl.SSLCertVerificationError as refusal:
                return Served(der, refusal.verify_code, refusal.verify_message)
            return Served(der, None)
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError
        return None


async def _shown(host: str, port: int, name: str, context: ssl.SSLContext) -> bytes:
    _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    try:
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(True)
        return shown
    finally:
        writer.transport.abort()


def pairs(settings: Settings) -> list[Pair]:
    """What this configuration uses, each pair of files once."""
    sections: dict[tuple[str, str], list[str]] = {}
    for name, uses, section in (
        ("front", True, settings.front),
        ("turn", settings.turn.tls_port, settings.turn),
    ):
        if uses and section.certificate:
            sections.setdefault((section.certificate, section.key), []).append(name)
    return [Pair(tuple(names), *map(Path, files)) for files, names in sections.items()]


def name_of_pair(settings: Settings, section: str) -> str:
    """The name of the finding about the files that the front or the relay (section turn) shows."""
    subjects = (pair.subject for pair in pairs(settings) if section in pair.sections)
    return name_of(PART, next(subjects, f"{section}.certificate"))


def findings(settings: Settings, sections: Sequence[str], now: datetime | None = None) -> Iterable[Finding]:
    """One for each pair of files that one of `sections` (front, turn) uses."""
    for pair in pairs(settings):
        if set(pair.sections).intersection(sections):
            yield of_files(pair, now or datetime.now(UTC))


def of_files(pair: Pair, now: datetime) -> Finding:
    """What is to be said of certificate and key as files."""
    try:
        found = facts(pair.certificate)
        ServerTls(str(pair.certificate), str(pair.key), ())
    except (UnreadableCertificate, CertificateError) as trouble:
        todo = f"put certificate chain and key, as PEM, where {pair.subject} and {pair.sections[0]}.key say"
        return error(PART, pair.subject, str(trouble), todo)
    return of_facts(pair.subject, str(pair.certificate), found, now)


def of_facts(subject: str, where: str, found: Facts, now: datetime) -> Finding:
    """What is to be said of how long a certificate is good."""
    left = found.expires - now
    day = f"{found.expires:%Y-%m-%d}"
    renew = (
        "renew it: carillon cert acme, or carillon cert self-signed to try things; then kill -HUP carillon"
    )
    if left < timedelta(0):
        return error(PART, subject, f"the certificate {where} has expired on {day}", renew)
    if left < SOON:
        what = f"the certificate {where} expires on {day}, in {left.days} days"
        return warning(PART, subject, what, f"{renew} (is certbot's timer at work?)")
    return ok(PART, subject, f"{where} is good until {day}")


def of_served(part: str, name: str, seen: Served, file: bytes | None, now: datetime, *after: str) -> Finding:
    """What is to be said of what a listener shows to clients that ask for `name`.

    `file` is the certificate that it should show, as DER; None when that is not known (a proxy's own).
    """
    subject = "certificate shown"
    found = facts_of(seen.der)
    if file is not None and file != seen.der:
        todo = f"have it read the files again: kill -HUP to carillon (or to carillon {part})"
        return error(part, subject, f"the {part} shows another certificate than its file holds", todo, *after)
    if found.expires < now:
        what = f"the certificate shown for {name} has expired on {found.expires:%Y-%m-%d}"
        return error(part, subject, what, "renew it where it is kept", *after)
    if not _is_for(found.names, name):
        what = f"the certificate is for {', '.join(found.names) or 'nobody'}, not for {name}"
        return error(part, subject, what, f"get one for {name}, or tell people the name it is for", *after)
    match seen.untrusted:
        case None:
            return ok(part, subject, f"{name} shows one that this machine trusts")
        case code if code == _SELF_SIGNED:
            what = f"the certificate of {name} is self-signed: browsers ask, and other clients refuse it"
            return warning(part, subject, what, "get one from an authority: carillon cert acme", *after)
        case code if code in (_NO_ISSUER_HERE, _NO_ISSUER):
            what = f"the certificate of {name} leads to no authority that is known here: {found.issuer}"
            todo = (
                "the certificate file must hold the whole chain (certbot: fullchain.pem); an authority of"
                " your own must be among those that machines trust"
            )
            return error(part, subject, what, todo, *after)
        case code if code == _SELF_SIGNED_IN_CHAIN:
            what = f"this machine does not know the authority that signed {name}'s certificate"
            return warning(part, subject, what, "all clients need that authority's certificate", *after)
        case _:
            what = f"the certificate of {name} is refused: {seen.reason}"
            return error(part, subject, what, "get another one: carillon cert acme", *after)


def _is_for(names: Sequence[str], wanted: str) -> bool:
    """Whether one of a certificate's names covers `wanted` (RFC 6125 §6.4: a star is one whole label)."""
    wanted = wanted.lower().rstrip(".")
    _, _, parent = wanted.partition(".")
    for name in (name.lower() for name in names):
        if name == wanted or (name.startswith("*.") and not is_address(wanted) and name[2:] == parent):
            return True
    return False
