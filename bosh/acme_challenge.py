"""Answers to the HTTP-01 challenge (RFC 8555 §8.3), which an ACME client has put into a directory."""

from __future__ import annotations

import re
from pathlib import Path

from bosh.http import Response, text_response

PREFIX = "/.well-known/acme-challenge/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,255}")  # base64url, so that no path leads out of the directory
_MAX_BYTES = 1024  # token, dot and the hash of a key: about 90


def challenge(webroot: str, path: str) -> Response | None:
    """The answer to a request for `path`; None when it is no challenge, or there is no such directory."""
    if not webroot or not path.startswith(PREFIX):
        return None
    token = path.removeprefix(PREFIX)
    if _TOKEN.fullmatch(token):
        try:
            with (Path(webroot) / PREFIX[1:] / token).open("rb") as file:
                body = file.read(_MAX_BYTES)
        except OSError:
            pass
        else:
            return Response(200, body, "application/octet-stream", {"Cache-Control": "no-store"})
    return text_response(404, "there is no such challenge")
