"""ICE-UDP transports (XEP-0176) with fingerprint (XEP-0320) and SCTP map (XEP-0343), from and to elements."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

from jingle.errors import bad_request
from jingle.ice import Candidate, Fingerprint, IceTransport
from jingle.jitsi import additions
from jingle.limits import MAX_CANDIDATES, MAX_FINGERPRINTS, NAME_CHARS
from jingle.namespaces import DTLS, DTLS_SCTP, ICE_UDP
from jingle.reading import (
    Node,
    children,
    content_text,
    element,
    first,
    has,
    named,
    number,
    number_or_none,
    required,
    text,
    token,
)

TRANSPORT: Final = f"{{{ICE_UDP}}}transport"
CANDIDATE: Final = f"{{{ICE_UDP}}}candidate"
RTCP_MUX: Final = f"{{{ICE_UDP}}}rtcp-mux"
GATHERING_COMPLETE: Final = f"{{{ICE_UDP}}}gathering-complete"
FINGERPRINT: Final = f"{{{DTLS}}}fingerprint"
SCTPMAP: Final = f"{{{DTLS_SCTP}}}sctpmap"

CANDIDATE_TYPES: Final = frozenset({"host", "srflx", "prflx", "relay"})
SETUPS: Final = frozenset({"active", "passive", "actpass", "holdconn"})
TRUTHS: Final = frozenset({"true", "false"})
DIGEST: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){15,63}")
"""16 (MD5) to 64 (SHA-512) bytes."""
CREDENTIAL: Final = re.compile(r"[!-~]*")
"""RFC 8839 allows letters, digits, + and /; other visible ASCII is seen and harmless."""


def parse_transport(node: Node) -> IceTransport:
    """`<transport/>` of ICE-UDP; candidates beyond the limit or of an unknown type are dropped.

    Raises JingleError.
    """
    sctpmap = first(node, SCTPMAP)
    return IceTransport(
        ufrag=credential(node, "ufrag"),
        pwd=credential(node, "pwd"),
        fingerprints=tuple(parse_fingerprint(child) for child in named(node, FINGERPRINT, MAX_FINGERPRINTS)),
        candidates=parse_candidates(node),
        web_sockets=additions.web_sockets(node),
        rtcp_mux=has(node, RTCP_MUX),
        sctp_port=None if sctpmap is None else number(sctpmap, "number", 0, 65535),
        ice_generation=additions.ice_generation(node),
        gathering_complete=has(node, GATHERING_COMPLETE),
    )


def build_transport(transport: IceTransport) -> Element:
    """`<transport/>` of ICE-UDP."""
    made = element(
        ICE_UDP,
        "transport",
        {
            "ufrag": transport.ufrag,
            "pwd": transport.pwd,
            additions.ICE_GENERATION: transport.ice_generation,
        },
    )
    made.extend(additions.web_socket(url) for url in transport.web_sockets)
    if transport.rtcp_mux:
        made.append(element(ICE_UDP, "rtcp-mux"))
    made.extend(build_fingerprint(fingerprint) for fingerprint in transport.fingerprints)
    if transport.sctp_port is not None:
        made.append(build_sctpmap(transport.sctp_port))
    made.extend(build_candidate(candidate) for candidate in transport.candidates)
    if transport.gathering_complete:
        made.append(element(ICE_UDP, "gathering-complete"))
    return made


def credential(node: Node, name: str) -> str:
    """A user fragment or password. Raises JingleError."""
    value = text(node, name)
    if not CREDENTIAL.fullmatch(value):
        raise bad_request(f"{name} holds a character that no ICE credential has")
    return value


def parse_fingerprint(node: Node) -> Fingerprint:
    """`<fingerprint/>`. Raises JingleError."""
    value = content_text(node, NAME_CHARS)
    if not DIGEST.fullmatch(value):
        raise bad_request("a fingerprint is pairs of hexadecimal digits with colons between")
    return Fingerprint(
        hash=required(node, "hash"),
        value=value,
        setup=token(node, "setup", SETUPS),
        required=token(node, "required", TRUTHS),
        cryptex=token(node, "cryptex", TRUTHS),
    )


def build_fingerprint(fingerprint: Fingerprint) -> Element:
    """`<fingerprint/>`."""
    made = element(
        DTLS,
        "fingerprint",
        {
            "hash": fingerprint.hash,
            "setup": fingerprint.setup,
            "required": fingerprint.required,
            "cryptex": fingerprint.cryptex,
        },
    )
    made.text = fingerprint.value
    return made


def parse_candidates(transport: Node) -> tuple[Candidate, ...]:
    """The first candidates of a known type, at most MAX_CANDIDATES. Raises JingleError."""
    found: list[Candidate] = []
    for tag, node in children(transport):
        if tag == CANDIDATE and node.get("type") in CANDIDATE_TYPES and len(found) < MAX_CANDIDATES:
            found.append(parse_candidate(node))
    return tuple(found)


def parse_candidate(node: Node) -> Candidate:
    """`<candidate/>`. Raises JingleError."""
    return Candidate(
        foundation=required(node, "foundation"),
        component=number(node, "component", 1, 256),
        protocol=required(node, "protocol").lower(),
        priority=number(node, "priority", 0, 2**32 - 1),
        ip=required(node, "ip"),
        port=number(node, "port", 0, 65535),
        type=required(node, "type"),
        id=text(node, "id"),
        generation=number(node, "generation", 0, 2**31 - 1, 0),
        network=number_or_none(node, "network", 0, 2**31 - 1),
        related_address=text(node, "rel-addr"),
        related_port=number(node, "rel-port", 0, 65535, 0),
        tcp_type=text(node, "tcptype"),
    )


def build_candidate(candidate: Candidate) -> Element:
    """`<candidate/>`."""
    return element(
        ICE_UDP,
        "candidate",
        {
            "foundation": candidate.foundation,
            "component": candidate.component,
            "protocol": candidate.protocol,
            "priority": candidate.priority,
            "ip": candidate.ip,
            "port": candidate.port,
            "type": candidate.type,
            "id": candidate.id,
            "generation": candidate.generation,
            "network": candidate.network,
            "rel-addr": candidate.related_address,
            "rel-port": candidate.related_port if candidate.related_address else None,
            "tcptype": candidate.tcp_type,
        },
    )


def build_sctpmap(port: int) -> Element:
    """`<sctpmap/>` of WebRTC data channels (XEP-0343)."""
    return element(DTLS_SCTP, "sctpmap", {"number": port, "protocol": "webrtc-datachannel", "streams": 1024})
