"""Candidates in session descriptions (RFC 8839 §5.1)."""

from __future__ import annotations

from collections.abc import Iterable

from jingle.errors import SdpError
from jingle.ice import Candidate
from jingle.ice_codec import CANDIDATE_TYPES
from jingle.limits import MAX_CANDIDATES, NAME_CHARS
from jingle.sdp.words import number, words


def parse_candidates(values: Iterable[str]) -> tuple[Candidate, ...]:
    """The first candidates of a known type, at most MAX_CANDIDATES. Raises SdpError."""
    found: list[Candidate] = []
    for value in values:
        candidate = parse_candidate(value)
        if candidate.type in CANDIDATE_TYPES and len(found) < MAX_CANDIDATES:
            found.append(candidate)
    return tuple(found)


def parse_candidate(value: str) -> Candidate:
    """A candidate as it stands after `candidate:`. Its address is kept as text. Raises SdpError."""
    foundation, component, protocol, priority, address, port, typ, kind, *rest = words(value, 8)
    if typ != "typ" or max(map(len, (foundation, protocol, address))) > NAME_CHARS:
        raise SdpError("no candidate")
    extensions = dict(zip(rest[::2], rest[1::2], strict=False))
    network = extensions.get("network-id")
    related = extensions.get("raddr", "")
    tcp_type = extensions.get("tcptype", "")
    if len(related) > NAME_CHARS or len(tcp_type) > NAME_CHARS:
        raise SdpError("no candidate")
    return Candidate(
        foundation=foundation,
        component=number(component, 1, 256),
        protocol=protocol.lower(),
        priority=number(priority, 0, 2**32 - 1),
        ip=address,
        port=number(port, 0, 65535),
        type=kind,
        generation=number(extensions.get("generation", "0"), 0, 2**31 - 1),
        network=None if network is None else number(network, 0, 2**31 - 1),
        related_address=related,
        related_port=number(extensions.get("rport", "0"), 0, 65535),
        tcp_type=tcp_type,
    )
