"""A finding: what one check has to say; and which of many are told, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Something does not work."""
    WARNING = "warning"
    """It works, but not for everybody, or not for long."""
    OK = "ok"


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing."""

    part: str
    """Whose it is: a part of carillon, or one of the checks that all share (see SHARED)."""
    subject: str
    """The thing, in a word or two; with `part` it is the finding's name."""
    level: Level
    what: str
    """What is wrong (or right), one sentence without a full stop."""
    todo: str = ""
    """What to do about it; empty when there is nothing to do."""
    after: tuple[str, ...] = ()
    """Names of findings that, as errors, explain this one: it is then not told."""

    @property
    def name(self) -> str:
        """`part: subject`."""
        return name_of(self.part, self.subject)


SHARED = ("configuration", "certificates", "dns")
"""The checks that belong to no part, in the order in which they are told."""


def name_of(part: str, subject: str) -> str:
    """The name of a finding, as it stands in `Finding.after`."""
    return f"{part}: {subject}"


def ok(part: str, subject: str, what: str) -> Finding:
    """All is well."""
    return Finding(part, subject, Level.OK, what)


def warning(part: str, subject: str, what: str, todo: str, *after: str) -> Finding:
    """It works, but."""
    return Finding(part, subject, Level.WARNING, what, todo, after)


def error(part: str, subject: str, what: str, todo: str, *after: str) -> Finding:
    """It does not work."""
    return Finding(part, subject, Level.ERROR, what, todo, after)


def told(findings: Iterable[Finding], parts: Sequence[str]) -> list[Finding]:
    """What is told, the worst first; among equals in the order of SHARED and `parts`, and as they were found.

    An error or warning that another error explains is left out.
    """
    found = list(findings)
    errors = {one.name for one in found if one.level is Level.ERROR}
    order = {part: place for place, part in enumerate((*SHARED, *parts))}
    levels = list(Level)
    left = [one for one in found if one.level is Level.OK or not errors.intersection(one.after)]
    return sorted(left, key=lambda one: (levels.index(one.level), order.get(one.part, len(order))))
