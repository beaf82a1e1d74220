"""ICE-UDP transports as data (XEP-0176) with their DTLS fingerprint (XEP-0320)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """`<candidate/>` (XEP-0176 §5.1, RFC 8839): `type` host, srflx, prflx or relay; `protocol` udp or tcp."""

    foundation: str
    component: int
    protocol: str
    priority: int
    ip: str
    port: int
    type: str
    id: str = ""
    generation: int = 0
    network: int | None = None
    related_address: str = ""
    related_port: int = 0
    tcp_type: str = ""


@dataclass(frozen=True)
class Fingerprint:
    """`<fingerprint/>` (XEP-0320): `hash` for example sha-256, `value` colon-separated hex, `setup` active|passive|actpass."""

    hash: str
    value: str
    setup: str = ""
    required: str = ""
    cryptex: str = ""


@dataclass(frozen=True)
class IceTransport:
    """`<transport xmlns="urn:xmpp:jingle:transports:ice-udp:1"/>`."""

    ufrag: str = ""
    pwd: str = ""
    fingerprints: tuple[Fingerprint, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    web_sockets: tuple[str, ...] = ()
    """Addresses of the bridge channel (Jitsi's `<web-socket/>`)."""
    rtcp_mux: bool = False
    sctp_port: int | None = None
    """Number of a `<sctpmap/>` (XEP-0343)."""
    ice_generation: int | None = None
    """Jitsi's generation tag of an in-place ICE restart."""
