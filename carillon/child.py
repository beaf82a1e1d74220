"""A child process of a supervisor: started by it, or by the process that it was before it replaced itself.

Each child is the leader of a session of its own: Ctrl-C at the terminal reaches the supervisor alone, which
stops the children in order, and a signal to the child's group reaches what the child has started. When the
supervisor itself is killed, the kernel sends SIGTERM to the children (PR_SET_PDEATHSIG). It does so when the
*thread* ends that has started them: the main thread must start them, which lives through execve(2).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

UNKNOWN_STATUS = 255
"""Of a child that somebody else has waited for."""


class Child:
    """A process that is a child of this one already: how it is waited for and ended."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError when it is none."""
        self.pid = pid
        self.returncode: int | None = None
        """Its exit status, negative for a signal; None while it lives."""
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._pidfd = os.pidfd_open(pid)
        self._loop.add_reader(self._pidfd, self._reap)

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:
            self.returncode = UNKNOWN_STATUS
        else:
            self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()

    async def wait(self) -> int:
        """Wait for its end; the exit status."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone, if it lives."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it has started, some of which may outlive it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def spawn(
    argv: tuple[str, ...],
    environment: Mapping[str, str],
    output: Path | None,
    descriptors: Collection[int] = (),
) -> Child:
    """Start a program with these variables beside our own. Raises OSError.

    `output` is the file that gets what it writes; None: where ours goes. `descriptors` stay open in it.
    """
    file = output.open("ab") if output else None
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=file or sys.stderr,
            stderr=file or sys.stderr,
            env={**os.environ, **environment},
            start_new_session=True,
            pass_fds=descriptors,
            preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509
        )
    finally:
        if file:
            file.close()
    process.returncode = 0  # it is a Child that is waited for: this object is not to complain
    return Child(process.pid)


def _die_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes its program: tie its life to the supervisor's, as only it can."""

    def tie() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the program has a handler, it would die of it
        if os.getppid() != parent:  # the supervisor died before the line above
            os._exit(1)

    return tie
