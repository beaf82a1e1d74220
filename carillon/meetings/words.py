"""Meetings in words for people: durations, rates, and how a participant's media fare.

Takes what the control API of the component tells (`GET /rooms/{room}/participants`) as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_KINDS = {"relay": "through TURN", "host": "direct", "reflexive": "direct"}


def duration(seconds: float) -> str:
    """The two largest units, the second one only where it matters: "2 h 5 min", "40 s"."""
    left = max(0, int(seconds))
    place = next(place for place, (unit, size) in enumerate(_UNITS) if left >= size or size == 1)
    unit, size = _UNITS[place]
    whole, rest = divmod(left, size)
    if unit in ("min", "s"):  # seconds beside minutes are of no interest
        return f"{whole} {unit}"
    further, smaller = _UNITS[place + 1]
    return f"{whole} {unit} {rest // smaller} {further}" if rest >= smaller else f"{whole} {unit}"


def bitrate(bps: float) -> str:
    """In kbit/s or Mbit/s, with the precision that is of use."""
    return f"{bps / 1e6:.1f} Mbit/s" if bps >= 999_500 else f"{bps / 1000:.0f} kbit/s"


def quality(told: Mapping[str, Any] | None) -> str:
    """What the bridge measures of one participant: "" when it tells nothing."""
    if told is None:
        return ""
    if not told["connected"]:
        return "no connection to the bridge"
    parts = [_way(told["way"])]
    if told["rtt_ms"] is not None:
        parts.append(f"round trip {told['rtt_ms']:.0f} ms")
    for name, bps, loss in (
        ("up", told["up_bps"], told["loss_up"]),
        ("down", told["down_bps"], told["loss_down"]),
    ):
        if bps is not None:
            lost = f" ({loss:.1%} lost)" if loss else ""
            parts.append(f"{name} {bitrate(bps)}{lost}")
    if told["heights"]:
        parts.append(f"sends {_lines(told['heights'])}")
    shown = [one["height"] for one in told["pictures"] if one["height"]]
    if shown:
        parts.append(f"gets {_lines(sorted(shown, reverse=True)[:6])}")
    return ", ".join(part for part in parts if part)


def _way(told: Mapping[str, Any] | None) -> str:
    return f"{told['protocol'].upper()} {_KINDS[told['kind']]}" if told else ""


def _lines(heights: list[int]) -> str:
    return "/".join(f"{height}p" for height in heights)
