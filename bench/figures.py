"""Figures of a benchmark: medians with their spread, and the goals they are held against."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Line = dict[str, Any]
"""What one case found; printed as one line of JSON."""


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, 95th percentile (nearest rank), extremes and number of the values; no values give only `n`."""
    ordered = sorted(values)
    if not ordered:
        return {"n": 0}
    rank = max(0, -(-95 * len(ordered) // 100) - 1)
    found = {
        "median": statistics.median(ordered),
        "p95": ordered[rank],
        "min": ordered[0],
        "max": ordered[-1],
    }
    return {**{name: round(value, 1) for name, value in found.items()}, "n": len(ordered)}


@dataclass(frozen=True)
class Goal:
    """One figure of a line that has to stay below a limit."""

    figure: str
    """Where the figure stands in the line, for example "late_frame_ms.median"."""
    below: float

    def judged(self, line: Line) -> dict[str, Any]:
        """The goal beside what was found, and whether it is reached."""
        found: Any = line
        for name in self.figure.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        reached = isinstance(found, int | float) and found < self.below
        return {"figure": self.figure, "below": self.below, "found": found, "reached": reached}


def finished(line: Line, goals: Iterable[Goal]) -> Line:
    """The line with the machine's load (1, 5, 15 minutes) and its goals."""
    load = [round(one, 2) for one in os.getloadavg()]
    return {**line, "load": load, "goals": [goal.judged(line) for goal in goals]}
