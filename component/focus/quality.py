"""What the bridge knows of each participant's media: its answer to GET /colibri/v2/conferences/{id}, read.

Another bridge than ours may answer something else, or nothing: whatever is missing or of another kind is not
told. Nothing here decides anything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MAX_STREAMS = 200
"""Streams of one endpoint that are looked at, in each direction."""
LARGEST = 1e15
"""No figure of a participant is larger."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Relays:
    """The relay's addresses and its range of relayed ports: who comes from there comes through TURN."""

    addresses: frozenset[str]
    ports: tuple[int, int]


@dataclass(frozen=True)
class Way:
    """How media reach the bridge: the nominated pair's remote side."""

    protocol: str
    """udp or tcp."""
    kind: str
    """relay (our TURN server), host (an address that no NAT has made), or reflexive: a public address, the
    participant's own or that of a NAT before it: the bridge learns it from checks and cannot tell."""
    address: str


@dataclass(frozen=True)
class Picture:
    """A video that a participant is sent: which of its sender's layers, and how high that is."""

    source: str
    layer: int | None
    """None: none at present."""
    height: int | None


@dataclass(frozen=True)
class Quality:
    """What the bridge measures of one participant. None: not known."""

    connected: bool
    way: Way | None
    rtt_ms: float | None
    up_bps: int | None
    """What it sends to the bridge."""
    down_bps: int | None
    """What the bridge sends to it."""
    loss_up: float | None
    """Of the worst stream, as a fraction of the last interval."""
    loss_down: float | None
    jitter_ms: float | None
    heights: tuple[int, ...]
    """Of the layers of video that arrive from it now."""
    pictures: tuple[Picture, ...]
    """What it is sent of the others."""
    payload_bps: int
    """What arrives from it without retransmissions and probes: 0 where media take another way (P2P)."""


def read_qualities(body: Any, relays: Relays) -> dict[str, Quality]:
    """By endpoint. What is no such answer has no endpoints."""
    transports = _dict(_dict(body).get("endpoints"))
    media = _dict(_dict(_dict(body).get("router")).get("endpoints"))
    heights = {
        (one.get("source"), one.get("layer")): _whole(one.get("height"))
        for endpoint in media.values()
        for one in _dicts(_dict(endpoint).get("sends"))
        if isinstance(one.get("source"), str) and isinstance(one.get("layer"), int)
    }
    return {
        name: _quality(_dict(transport), _dict(media.get(name)), heights, relays)
        for name, transport in transports.items()
        if isinstance(name, str)
    }


def is_direct(qualities: Iterable[Quality | None], sending: int) -> bool:
    """Whether media go between two participants directly (P2P), as far as the bridge can tell.

    Both are connected to it, at least one says that it sends (`sending`), and nothing arrives.
    """
    found = list(qualities)
    return (
        len(found) == 2
        and sending > 0
        and all(one is not None and one.connected and not one.payload_bps for one in found)
    )


def _quality(
    transport: Json, media: Json, heights: dict[tuple[Any, Any], int | None], relays: Relays
) -> Quality:
    sends, receives = _dicts(media.get("sends")), _dicts(media.get("receives"))
    primary = [one for one in sends if "repairs" not in one]
    active = {_whole(one.get("height")) for one in primary if one.get("active") is True}
    return Quality(
        connected=transport.get("connected") is True,
        way=_way(_dict(transport.get("remote")), relays),
        rtt_ms=_number(media.get("rtt_ms")),
        up_bps=_whole(media.get("received_bps")),
        down_bps=_whole(media.get("sent_bps")),
        loss_up=_worst(one.get("loss") for one in primary),
        loss_down=_worst(one.get("loss") for one in receives),
        jitter_ms=_worst(one.get("jitter_ms") for one in primary),
        heights=tuple(sorted(height for height in active if height)),
        pictures=tuple(
            Picture(one["source"], layer := _whole(one["layer"]), heights.get((one["source"], layer)))
            for one in receives
            if isinstance(one.get("source"), str) and "layer" in one and one.get("rate_bps") != 0
        ),
        payload_bps=sum(_whole(one.get("rate_bps")) or 0 for one in primary),
    )


def _way(remote: Json, relays: Relays) -> Way | None:
    protocol, ip, port = remote.get("protocol"), remote.get("ip"), _whole(remote.get("port"))
    if protocol not in ("udp", "tcp") or not isinstance(ip, str) or port is None:
        return None
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    first, last = relays.ports
    if str(address) in relays.addresses and first <= port <= last:
        kind = "relay"
    else:
        kind = "reflexive" if address.is_global else "host"
    shown = f"[{address}]" if address.version == 6 else str(address)
    return Way(protocol, kind, f"{shown}:{port}")


def _worst(values: Iterable[Any]) -> float | None:
    return max((number for one in values if (number := _number(one)) is not None), default=None)


def _number(value: Any) -> float | None:
    """A number that can be one: neither NaN nor beyond all measure."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST
    return value if good else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else round(number)


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[Json]:
    return [one for one in value[:MAX_STREAMS] if isinstance(one, dict)] if isinstance(value, list) else []
