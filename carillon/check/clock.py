"""The clock of this machine against that of the XMPP server (XEP-0202)."""

from __future__ import annotations

from datetime import datetime

from carillon.check.finding import Finding, error, ok, warning

SUBJECT = "clock"
PART = "component"
"""The server's time is asked over the component's session."""

GOOD_S = 10.0
"""XEP-0202 tells whole seconds, and servers may be busy."""
BAD_S = 60.0
"""Credentials and certificates of the one are too old or not yet good for the other."""


def unix_time(utc: str) -> float | None:
    """The time of a `<utc/>` (XEP-0082 §3.2) as seconds of the Unix epoch; None for what is none."""
    try:
        moment = datetime.fromisoformat(utc.strip())
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


def verdict(server_s: float | None, now_s: float) -> Finding:
    """What the server's time at the moment `now_s` means, both in seconds of the Unix epoch."""
    if server_s is None:
        return ok(PART, SUBJECT, "not compared: the XMPP server does not tell its time (XEP-0202)")
    ahead_s = server_s - now_s
    if abs(ahead_s) <= GOOD_S:
        return ok(PART, SUBJECT, "agrees with the XMPP server's")
    what = (
        f"the clock of the XMPP server is {_duration(abs(ahead_s))} {'ahead of' if ahead_s > 0 else 'behind'}"
        " this machine's"
    )
    todo = (
        "set both by NTP (chrony or systemd-timesyncd): credentials of the relay that one makes the other"
        " takes for expired, and certificates too"
    )
    return (error if abs(ahead_s) > BAD_S else warning)(PART, SUBJECT, what, todo)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
