"""What client and front agree on when a BOSH session is created (XEP-0124 §7, XEP-0206 §3). No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bosh.bosh_body import XBOSH, Body, BoshError, Condition
from bosh.key_sequence import KeySequence
from bosh.overactivity import POLLING_S

VERSION = (1, 11)
"""Of XEP-0124."""
MAX_HOLD = 2
"""Requests that wait at a time: a second one is for clients that never want to be without."""
CONTENT_TYPES = ("text/xml; charset=utf-8", "application/xml; charset=utf-8")
"""What `content` may ask for: free text never becomes a header, nor a response a page."""

_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one session."""

    first_rid: int
    wait_s: float
    """How long a request may wait for its response."""
    hold: int
    """How many requests may wait at a time; 0 = none, the client polls."""
    inactivity_s: float
    """How long the client may be without a request."""
    version: tuple[int, int] | None
    """None for a client older than versions."""
    content_type: str
    keys: KeySequence | None
    opening: dict[str, str]
    """Attributes of the stream: to, from, xml:lang, version."""

    @property
    def requests(self) -> int:
        """How many requests the client may have without a response."""
        return self.hold + 1

    @property
    def polls(self) -> bool:
        """Whether every request is answered at once (XEP-0124 §12)."""
        return not self.hold or not self.wait_s

    def attributes(self, sid: str, server: dict[str, str]) -> dict[str, str]:
        """The attributes of the first response; `server` are those of the server's stream, if known."""
        found = {
            "xmlns:xmpp": XBOSH,
            "sid": sid,
            "wait": f"{self.wait_s:.0f}",
            "hold": str(self.hold),
            "requests": str(self.requests),
            "inactivity": f"{self.inactivity_s:.0f}",
            "polling": str(POLLING_S),
            "xmpp:version": "1.0",
            "xmpp:restartlogic": "true",
        }
        if self.version:
            found["ver"] = "{}.{}".format(*self.version)
        for name, known_as in (("from", "from"), ("id", "authid")):
            if name in server:
                found[known_as] = server[name]
        return found


def negotiate(body: Body, max_wait_s: float, inactivity_s: float) -> Terms:
    """The terms of the session that a request without `sid` asks for. Raises BoshError."""
    if "route" in body.attributes:
        raise BoshError(Condition.HOST_UNKNOWN, "no server but our own is served")
    if "stream" in body.attributes:
        raise BoshError(Condition.ITEM_NOT_FOUND, "a session has one stream here")
    content = body.attributes.get("content", "").lower()
    return Terms(
        first_rid=body.rid(),
        wait_s=min(body.number("wait", round(max_wait_s)), max_wait_s),
        hold=min(body.number("hold", 1), MAX_HOLD),
        inactivity_s=inactivity_s,
        version=_version(body.attributes.get("ver")),
        content_type=content if content in CONTENT_TYPES else CONTENT_TYPES[0],
        keys=KeySequence.begun(body),
        opening=opening(body),
    )


def opening(body: Body) -> dict[str, str]:
    """What a body that creates a session or restarts the stream says of the stream."""
    names = ("to", "from", "xml:lang")
    found = {name: body.attributes[name] for name in names if name in body.attributes}
    return {**found, "version": body.xmpp.get("version", "1.0")}


def _version(text: str | None) -> tuple[int, int] | None:
    """The version that both sides speak; numbers are compared, so 1.10 is more than 1.9 (XEP-0124 §7.1)."""
    if text is None:
        return None
    match = _VERSION.fullmatch(text)
    if match is None:
        raise BoshError(Condition.BAD_REQUEST, "ver is not a version")
    return min((int(match[1]), int(match[2])), VERSION)
