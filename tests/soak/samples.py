"""What the processes of a deployment hold over time: memory, descriptors, tasks; whether it stays flat."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carillon.control import ControlError, ask

TASKS = re.compile(r"^process_asyncio_tasks (\S+)$", re.M)
ALLOWED = {"rss_mib": 8.0, "descriptors": 5.0, "tasks": 5.0}
"""How much more than at the beginning each may be at the end, or a tenth of it: chance is no leak."""


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    at_s: float
    age_s: float
    """Since it was first seen."""
    rss_mib: float
    descriptors: int
    tasks: int | None
    """Of its event loop; None where it has none that tells."""


class Samples:
    """All samples of one deployment, by part."""

    def __init__(self) -> None:
        self._samples: dict[str, list[Sample]] = {}
        self._first_seen: dict[int, float] = {}

    async def take(self, at_s: float, part: str, pid: int, control: str | None) -> None:
        """Look at one process; one that is dying or starting is left out."""
        began = self._first_seen.setdefault(pid, at_s)
        try:
            tasks = await _tasks(control) if control else None
            held = _held(pid)
        except (OSError, ControlError):
            return
        if held is not None:
            self._samples.setdefault(part, []).append(Sample(at_s, at_s - began, *held, tasks))

    def summary(self, warm_s: float) -> dict[str, dict[str, Any]]:
        """By part: each figure at the beginning, at the end and at most, and how memory grows.

        Samples of processes that are younger than `warm_s` are left out, and parts with too few others.
        """
        settled = {
            part: [one for one in samples if one.age_s >= warm_s] for part, samples in self._samples.items()
        }
        return {part: _of_part(samples) for part, samples in settled.items() if len(samples) >= 6}


def grown(summary: dict[str, dict[str, Any]]) -> list[str]:
    """What is not flat, in words."""
    return [
        f"{part}: {name} grew from {figure['begin']} to {figure['end']}"
        for part, figures in summary.items()
        for name, allowed in ALLOWED.items()
        if (figure := figures.get(name)) is not None
        and figure["end"] - figure["begin"] > max(allowed, figure["begin"] / 10)
    ]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """By how much the second value grows per unit of the first (least squares); 0 where nothing tells."""
    if len({x for x, _ in points}) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _of_part(samples: Sequence[Sample]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "rss_mib": _figure(one.rss_mib for one in samples),
        "rss_mib_per_hour": round(slope([(one.at_s / 3600, one.rss_mib) for one in samples]), 1),
        "descriptors": _figure(one.descriptors for one in samples),
    }
    tasks = [one.tasks for one in samples if one.tasks is not None]
    return {**found, "tasks": _figure(tasks)} if tasks else found


def _figure(values: Iterable[float]) -> dict[str, float]:
    every = list(values)
    third = max(1, len(every) // 3)
    found = {
        "begin": statistics.mean(every[:third]),
        "end": statistics.mean(every[-third:]),
        "max": max(every),
    }
    return {name: round(value, 1) for name, value in found.items()}


def _held(pid: int) -> tuple[float, int] | None:
    """Resident memory (MiB) and the number of descriptors; None of a process that is dead."""
    rss = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return (int(rss[1]) / 1024, descriptors) if rss else None


async def _tasks(control: str) -> int | None:
    _, text = await ask(control, "/metrics")
    found = TASKS.search(text)
    return int(float(found[1])) if found else None
