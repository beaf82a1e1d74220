"""Time-limited TURN credentials, HMAC of a shared secret (draft-uberti-behave-turn-rest §2.2).

A username is `EXPIRY`, `EXPIRY:HASH` or `EXPIRY:BAREJID`, with EXPIRY in seconds of the Unix epoch. The forms
are those of Prosody's and ejabberd's own modules and of carillon's component.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass

MAX_USERNAME_BYTES = 513  # RFC 8489 §14.3: USERNAME is shorter than 513 bytes
_USERNAME = re.compile(r"(?P<expiry>[0-9]{1,15})(?::(?P<name>.+))?", re.DOTALL | re.ASCII)


@dataclass(frozen=True)
class Credential:
    """What a client logs in to the relay with; `ttl` in seconds from its making."""

    username: str
    password: str
    ttl: int


def issue(secret: str, name: str, ttl_s: int, now: float) -> Credential:
    """Return a credential of `name` (a bare JID, or "" for nobody), valid for `ttl_s` from `now` (Unix)."""
    username = f"{int(now) + ttl_s}:{name}" if name else str(int(now) + ttl_s)
    return Credential(username, password_of(secret, username), ttl_s)


def password_of(secret: str, username: str) -> str:
    """Return the password that belongs to a username, whether or not it has expired."""
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode("ascii")


def expiry(username: str) -> int | None:
    """Return when a username expires (Unix time), or None when it has none of the three forms."""
    match = _match(username)
    return int(match["expiry"]) if match else None


def name_of(username: str) -> str:
    """Return what follows the colon (quotas go by it), or "" when the username names nobody."""
    match = _match(username)
    return match["name"] or "" if match else ""


def _match(username: str) -> re.Match[str] | None:
    if len(username) >= MAX_USERNAME_BYTES or len(username.encode("utf-8", "replace")) >= MAX_USERNAME_BYTES:
        return None
    return _USERNAME.fullmatch(username)
