"""Whether a part of carillon runs here: what its control API says (see carillon.control)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from carillon.check.finding import Finding, Level, error, ok, warning
from carillon.control import ControlError, trouble_at
from carillon.part import control_socket
from carillon.settings import Settings

SUBJECT = "process"


class Answer(Enum):
    """What became of the question."""

    HEALTHY = "healthy"
    TROUBLE = "trouble"
    """It runs, and says why it does not work."""
    SILENT = "silent"
    """Something listens and does not answer."""
    ABSENT = "absent"
    """Nobody listens on the socket."""
    FORBIDDEN = "forbidden"
    """This user may not ask."""
    UNKNOWN = "unknown"
    """The configuration names no socket."""


@dataclass(frozen=True)
class Process:
    """A part, as seen through its control socket."""

    name: str
    socket: str
    answer: Answer
    text: str = ""
    """Its trouble, in its own words."""


async def look(name: str, settings: Settings) -> Process:
    """Ask the part `name` for its health."""
    path = control_socket(name, settings)
    if not path:
        return Process(name, path, Answer.UNKNOWN)
    if (reached := _reach(path)) is not None:
        return Process(name, path, reached)
    try:
        trouble = await trouble_at(path)
    except ControlError:
        return Process(name, path, Answer.SILENT)
    return Process(name, path, Answer.TROUBLE if trouble else Answer.HEALTHY, trouble or "")


def _reach(path: str) -> Answer | None:
    """Why nobody can be asked there, or None."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except PermissionError:
            return Answer.FORBIDDEN
        except BlockingIOError:
            return None  # its queue is full: it is there
        except OSError:
            return Answer.ABSENT
    return None


def verdict(seen: Process, others: Iterable[Finding], *after: str) -> Finding:
    """What that means; `others` are the findings of the same part that were made without asking it.

    A part that works without answering here runs on another machine. `after` explains why it may not run.
    """
    name, works = seen.name, any(one.level is Level.OK for one in others)
    match seen.answer:
        case Answer.HEALTHY:
            return ok(name, SUBJECT, "runs")
        case Answer.TROUBLE:
            return error(
                name, SUBJECT, f"it says: {seen.text}", f"the log of carillon {name} has more", *after
            )
        case Answer.SILENT:
            return error(
                name,
                SUBJECT,
                f"the {name} does not answer on its control socket {seen.socket}",
                f"restart carillon {name}; its log may say what keeps it busy",
            )
        case Answer.FORBIDDEN:
            return warning(
                name,
                SUBJECT,
                f"this user may not ask the {name} on its control socket {seen.socket}",
                "run the check as the user that carillon runs as",
            )
        case Answer.UNKNOWN:
            return ok(name, SUBJECT, "cannot be asked: the configuration gives it no control socket")
        case Answer.ABSENT if works:
            return ok(name, SUBJECT, f"works, but not here: nothing listens on {seen.socket}")
        case Answer.ABSENT:
            return error(
                name,
                SUBJECT,
                f"the {name} does not run: nothing listens on its control socket {seen.socket}",
                f"start it: carillon run (or carillon {name}) with this configuration",
                *after,
            )
