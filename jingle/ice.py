"""ICE-UDP transports as data (XEP-0176) with their DTLS fingerprint (XEP-0320)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address


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

    @property
    def numeric(self) -> bool:
        """Whether `ip` is an address. A host name (an mDNS name, say) is kept as text and never resolved."""
        try:
            ip_address(self.ip)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class Fingerprint:
    """`<fingerprint/>` (XEP-0320): `hash` for example sha-256, `value` hexadecimal with colons.

    `setup` is active, passive, actpass or ""; `required` and `cryptex` are "true", "false" or "".
    """

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
    """Addresses of the bridge channel (`<web-socket/>`)."""
    rtcp_mux: bool = False
    sctp_port: int | None = None
    """Number of a `<sctpmap/>` (XEP-0343)."""
    ice_generation: int | None = None
    """Generation tag of an in-place ICE restart."""
    gathering_complete: bool = False
    """No candidate will follow (XEP-0371 §7)."""
