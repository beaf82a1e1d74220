"""Errors of STUN and TURN as exceptions; `server.py` is the one place that turns them into responses."""

from __future__ import annotations

REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    420: "Unknown Attribute",
    437: "Allocation Mismatch",
    440: "Address Family not Supported",
    441: "Wrong Credentials",
    442: "Unsupported Transport Protocol",
    443: "Peer Address Family Mismatch",
    486: "Allocation Quota Reached",
    508: "Insufficient Capacity",
    # 401 and 438 go to anyone who asks: without a phrase they are of little use as an amplifier.
    401: "",
    438: "",
}


class TurnError(Exception):
    """A request is refused with `code` (RFC 8489 §14.8, RFC 8656 §19)."""

    def __init__(self, code: int, attributes: tuple[tuple[int, bytes], ...] = ()) -> None:
        super().__init__(f"{code} {REASONS[code]}")
        self.code = code
        self.attributes = attributes
        """What the response carries besides ERROR-CODE."""
