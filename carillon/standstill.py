"""Whether a process stands still: it does not run, does not want to, and leaves unanswered what it is asked.

That is more than silence. On a busy machine a process answers late because others have the processor: then it
waits for it, and the kernel says so. One that was stopped, or that waits for what never comes, uses
no processor at all while a question lies in its socket: after a few seconds there is no doubt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOK_S: Final = 1.0
"""Between two looks, which cost next to nothing; only who has not run in between is asked something."""

QUESTION_S: Final = 1.0
"""A question that was over sooner was refused, and not left unanswered."""

STOPPED_QUESTIONS: Final = 2
"""So many without an answer, and a process that was stopped (SIGSTOP) is not waited for any more."""

ASLEEP_QUESTIONS: Final = 3
"""The same for one that sleeps: it may wait for a file or another machine for a moment."""


@dataclass(frozen=True)
class Run:
    """How far a process has come (proc(5): stat and schedstat of its main thread)."""

    state: str
    """R runs or wants to, S sleeps, D waits for a disk, T is stopped."""
    ran_ns: int
    waited_ns: int
    turns: int


def run_of(pid: int, proc: Path = Path("/proc")) -> Run | None:
    """How far the process is; None when it has gone, or the kernel does not tell."""
    try:
        ran_ns, waited_ns, turns = map(int, (proc / str(pid) / "schedstat").read_text().split())
        state = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError, IndexError):
        return None
    return Run(state, ran_ns, waited_ns, turns)


class Standstill:
    """Counts the questions that a process which stands still has left unanswered."""

    def __init__(self, run: Run | None) -> None:
        self._last = run
        self._unanswered = 0

    def suspects(self, run: Run | None) -> bool:
        """Look again; whether it has not run since, so that it is to be asked."""
        same = run is not None and run == self._last and run.state not in "RD"
        self._last = run
        if not same:
            self._unanswered = 0
        return same

    def silent(self, run: Run | None) -> bool:
        """It has not answered a question; whether it stands still for certain."""
        if not self.suspects(run):
            return False
        assert run is not None
        self._unanswered += 1
        return self._unanswered >= (STOPPED_QUESTIONS if run.state == "T" else ASLEEP_QUESTIONS)
