"""The checks of the link: does it run, and is a component attached to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from carillon.check import configuration, process
from carillon.check.finding import Finding, error, name_of, ok
from carillon.check.process import Answer
from carillon.check.running import Check
from carillon.control import ControlError, ask
from carillon.settings import Settings

PART = "link"
_COMPONENT = "component"


def checks(settings: Settings) -> list[Check]:
    """The checks of this part."""
    return [Check(PART, PART, lambda: _look(settings))]


async def instances(settings: Settings) -> dict[str, Any] | None:
    """What the running link says of its components (`GET /instances`); None when it does not."""
    try:
        status, text = await ask(settings.link.control, "/instances")
        found = json.loads(text) if status == 200 else None
    except (ControlError, ValueError):
        return None
    return found if isinstance(found, dict) else None


async def _look(settings: Settings) -> Iterable[Finding]:
    if not settings.link.enabled:
        return [ok(PART, process.SUBJECT, "is switched off: the component connects to the server itself")]
    seen = await process.look(PART, settings)
    # What it says of its trouble the component says at greater length.
    explained = name_of(_COMPONENT, "handshake") if seen.answer is Answer.TROUBLE else ""
    found = [process.verdict(seen, (), explained, *configuration.unreadable(settings, PART))]
    if seen.answer in (Answer.HEALTHY, Answer.TROUBLE) and (attached := await instances(settings)):
        found.append(of_instances(attached))
    return found


def of_instances(seen: dict[str, Any]) -> Finding:
    """What it means who is attached."""
    active, standby = seen.get("active"), seen.get("standby") or []
    if active is None:
        what = "no component is attached: what comes for it waits, and is refused when that takes long"
        return error(PART, _COMPONENT, what, "start the component", name_of(_COMPONENT, process.SUBJECT))
    others = f", and {', '.join(f'process {pid}' for pid in standby)} stands by" if standby else ""
    return ok(PART, _COMPONENT, f"process {active} is the component{others}")
