"""What a supervisor keeps running: a program, and how patient it is with it."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carillon.command_line import CommandError


class SupervisorError(CommandError):
    """A program does not come up; the text says which and why."""

    def __init__(self, text: str, status: int = CommandError.status) -> None:
        """`status` is the exit status: EXIT_CONFIGURATION when the program ended with that."""
        super().__init__(text)
        self.status = status


class ReplaceError(Exception):
    """A program was not replaced, and the one that ran goes on; the text says why."""


@dataclass(frozen=True)
class Program:
    """Something to keep running."""

    name: str
    argv: tuple[str, ...]
    trouble: Callable[[], Awaitable[str | None]]
    """Asks the program whether it answers: None, or in words why not. Must not raise or take long."""
    after: tuple[str, ...] = ()
    """Programs that must answer before this one starts, and that stop after it."""
    output: Path | None = None
    """Where standard output and error go; None: where the supervisor's own go."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that it gets beside the supervisor's own."""
    works: Callable[[], Awaitable[bool]] | None = None
    """Asks whether it still answers anything at all. Must not raise; None: nobody asks."""
    at_once: signal.Signals = signal.SIGTERM
    """What ends it without letting go on what runs."""
    answering: Callable[[], int | None] | None = None
    """The process that answers for it now, as the kernel says; None: it cannot be replaced while it runs."""
    shelf: bool = False
    """Whether its listeners are to go on listening between two processes of it (`carillon.shelf`)."""


@dataclass(frozen=True)
class Pace:
    """The times of a supervisor, in seconds."""

    start_s: float = 60.0
    """All programs must answer after this time."""
    first_pause_s: float = 0.25
    longest_pause_s: float = 15.0
    """Pause before a restart: doubled each time, up to the longest."""
    settled_s: float = 30.0
    """A program that has run so long begins with the first pause again."""
    stop_s: float = 6.0
    """From SIGTERM to SIGKILL: longer than a part gives itself to stop."""
    ask_s: float = 0.1
    """Between two questions whether a program answers."""
    watch_s: float = 15.0
    """Between two questions whether a program that has answered still works."""
    hung_after: int = 4
    """So many of these questions in a row without an answer, and it hangs and is killed. No time: this
    process may have stood still itself."""
    replace_s: float = 60.0
    """A successor must have taken over after this time."""
