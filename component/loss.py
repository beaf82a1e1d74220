"""Why there is no session with the server, and how long to wait for one. No I/O."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class LossKind(StrEnum):
    """The classes of failure that differ in what to do; the values label the counter."""

    REFUSED = "refused"
    """TCP is refused or not answered."""
    SILENT = "silent"
    """The handshake is not answered."""
    NOT_AUTHORIZED = "not-authorized"
    """The secret is wrong; on ejabberd also: the host is unknown."""
    HOST_UNKNOWN = "host-unknown"
    """The server has no such component."""
    CONFLICT = "conflict"
    """Another process is connected as this component."""
    STREAM_ERROR = "stream-error"
    """The server ended the stream with another error."""
    BROKEN = "broken"
    """The server sent what is not an XML stream."""
    UNANSWERED = "unanswered"
    """The server did not answer our ping."""
    CLOSED = "closed"
    """The connection ended."""
    NO_LINK = "no-link"
    """The process that holds the connections to the server does not listen."""
    LINK_SILENT = "link-silent"
    """It listens and does not answer."""
    STANDBY = "standby"
    """Another process is the component; this one waits to take its place."""
    REPLACED = "replaced"
    """Another process has taken this one's place, for good."""


LINK_NS = "urn:carillon:link:0"
"""What the link says to its own component beside XEP-0114: elements `<standby/>` and `<lost kind=…/>`."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The end of a session or of an attempt; `text` holds words of ours and names of conditions only."""

    kind: LossKind
    text: str
    told_by_link: bool = False
    """It is the link that has no session, tries again, and answers when it has one: ask it again at once."""


STREAM_ERRORS = {
    "not-authorized": LossKind.NOT_AUTHORIZED,
    "host-unknown": LossKind.HOST_UNKNOWN,
    "conflict": LossKind.CONFLICT,
}
"""Stream errors (RFC 6120 §4.9.3) that say more than that the stream has ended."""


def loss_by_error(conditions: Iterable[str]) -> Loss:
    """The class of a `<stream:error/>` by the local names of what is in it."""
    names = list(conditions)
    for name in names:
        if name in STREAM_ERRORS:
            return Loss(STREAM_ERRORS[name], name)
    return Loss(LossKind.STREAM_ERROR, f"stream error {names[0][:40] if names else 'without condition'}")


@dataclass(frozen=True, slots=True)
class Timing:
    """What a session with the server is given, each time (seconds)."""

    connect_s: float = 10.0
    handshake_s: float = 10.0
    ping_interval_s: float = 30.0
    """Then the server is asked whether it is alive (XEP-0199)."""
    ping_timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds to wait: `floor_s` plus up to `first_s`, doubled with each failure up to `cap_s`."""

    floor_s: float
    first_s: float
    cap_s: float


# A server that restarts is back within seconds, and a try costs it next to nothing.
_QUICK = Pace(0.05, 0.25, 2.0)
# A person has to change something first, and each try leaves a line in the server's log.
_SLOW = Pace(5.0, 5.0, 25.0)
_PACES = {
    LossKind.NOT_AUTHORIZED: _SLOW,
    LossKind.HOST_UNKNOWN: _SLOW,
    # The other one may be ourselves, seen by a server that has not noticed our end yet.
    LossKind.CONFLICT: Pace(1.0, 2.0, 10.0),
}
# A session that ends sooner is no success: who throws us out at once must not be asked again at once.
STEADY_S = 10.0


class Backoff:
    """Full jitter over failures in a row; only a session that lasted starts it anew."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0

    def delay_s(self, kind: LossKind, session_s: float) -> float:
        """How long to wait after this loss; `session_s` is how long the session lasted, 0 without one."""
        if session_s >= STEADY_S:
            self._failures = 0
        pace = _PACES.get(kind, _QUICK)
        longest = min(pace.cap_s, pace.first_s * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return pace.floor_s + self._rng.uniform(0.0, longest)
