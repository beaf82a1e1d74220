"""Ending a connection so that its last words arrive and nobody can hold it open."""

from __future__ import annotations

import asyncio

CLOSE_TIMEOUT_S = 5.0
"""How long the other side may take for its part of an end."""


def close_soon(transport: asyncio.Transport, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
    """Close after what was written, and anyhow after `timeout_s`: who does not read cannot hold us."""
    if not transport.is_closing():
        transport.close()
        asyncio.get_running_loop().call_later(timeout_s, transport.abort)


def close_lingering(transport: asyncio.Transport) -> None:
    """Close while the other side may still be sending.

    Closing a socket with unread bytes resets it, and the last words are lost with that. So only our direction
    ends; the protocol must ignore what still comes and write nothing. TLS cannot end one direction: it is
    closed at once.
    """
    if not transport.can_write_eof():
        close_soon(transport)
    elif not transport.is_closing():
        transport.write_eof()
        transport.resume_reading()
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.abort)
