"""The check of the process that keeps guests' streams: does it run."""

from __future__ import annotations

from collections.abc import Iterable

from carillon.check import process
from carillon.check.finding import Finding, ok
from carillon.check.running import Check
from carillon.settings import Settings

PART = "streams"


def checks(settings: Settings) -> list[Check]:
    """The checks of this part."""
    return [Check(PART, PART, lambda: _look(settings))]


async def _look(settings: Settings) -> Iterable[Finding]:
    if not settings.streams.enabled:
        return [ok(PART, process.SUBJECT, "is switched off: the front connects to the XMPP server itself")]
    return [process.verdict(await process.look(PART, settings), ())]
