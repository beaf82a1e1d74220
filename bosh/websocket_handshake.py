"""The opening handshake of WebSocket, the server's side (RFC 6455 §4.2), for `xmpp` (RFC 7395 §3.1)."""

from __future__ import annotations

import base64
import binascii
import hashlib

from bosh.http import HttpError, Request, status_line
from carillon.settings import Settings

MOVABLE = "follows=see-other-uri"
"""The query of a client that goes where `see-other-uri` says (RFC 7395 §3.6.1) and resumes its stream there.
Of the others some do half of it: lib-jitsi-meet begins a new stream there, and its rooms are lost."""
PATH = "/xmpp-websocket"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def websocket_url(settings: Settings) -> str:
    """Where people find XMPP over WebSocket."""
    return f"ws{settings.front.public_url.rstrip('/').removeprefix('http')}{PATH}"


def movable_url(settings: Settings) -> str:
    """The same for clients that go on where they are told to (MOVABLE)."""
    return f"{websocket_url(settings)}?{MOVABLE}"


def check_upgrade(request: Request) -> str:
    """The client's key of a valid request for WebSocket. Raises HttpError."""
    if request.method != "GET":
        raise HttpError(405, "a WebSocket is opened with GET", {"Allow": "GET"})
    if request.version != "1.1":
        raise HttpError(400, "a WebSocket needs HTTP/1.1")
    if not request.upgrades_to_websocket:
        # lib-jitsi-meet asks here by plain HTTP now and then, also from pages of another origin.
        raise HttpError(
            426,
            "only WebSocket connections here",
            {"Upgrade": "websocket", "Access-Control-Allow-Origin": "*"},
        )
    if request.headers.get("sec-websocket-version") != "13":
        raise HttpError(426, "version 13 is spoken here", {"Sec-WebSocket-Version": "13"})
    key = request.headers.get("sec-websocket-key", "")
    try:
        if len(base64.b64decode(key, validate=True)) != 16:
            raise HttpError(400, "the WebSocket key is not 16 bytes")
    except (binascii.Error, ValueError) as error:
        raise HttpError(400, "the WebSocket key is not base64") from error
    return key


def accept_xmpp(request: Request) -> bytes:
    """The response that opens XMPP over WebSocket. Raises HttpError."""
    key = check_upgrade(request)
    if "xmpp" not in request.tokens("sec-websocket-protocol"):
        raise HttpError(400, "the subprotocol xmpp is not offered")
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
    return (
        f"{status_line(101)}Upgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n"
    ).encode()
