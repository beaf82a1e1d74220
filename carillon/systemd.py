"""What a service of `Type=notify` tells systemd (sd_notify(3)): one datagram of assignments at a time.

Without $NOTIFY_SOCKET nobody listens and nothing is sent.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, MutableMapping

import structlog

from carillon.log import escaped

MAX_STATUS = 200
"""Characters of a status: `systemctl status` shows it in one line."""

STATUS_S = 10.0
"""How often a changed status is told, when no watchdog wants to be fed more often."""

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

logger = structlog.get_logger()


def message(*states: str, status: str = "", **numbers: int) -> bytes:
    """The text of one notification: states ("READY", "STOPPING"...), words for people, numbers by name."""
    lines = [f"{state}=1" for state in states]
    lines += [f"{name.upper()}={number}" for name, number in numbers.items()]
    if status:
        lines.append(f"STATUS={escaped(status)[:MAX_STATUS]}")
    return "\n".join(lines).encode("utf-8", "replace")


class Systemd:
    """Whoever listens on $NOTIFY_SOCKET, if anybody does."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Takes the variables out of `environment`: no child of ours is to speak for us."""
        self.environment = {name: environment.pop(name) for name in VARIABLES if name in environment}
        """What it has taken: for who speaks for us after us (execve(2))."""
        self._path, watchdog, pid = (self.environment.get(name, "") for name in VARIABLES)
        meant = pid in ("", str(os.getpid()))
        self.watchdog_s = int(watchdog) / 1e6 if self._path and meant and watchdog.isdecimal() else None
        """A service that is silent for so long is killed; None when nobody minds."""
        self._failed = False

    @property
    def listens(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._path)

    def ready(self, status: str) -> None:
        """The start, or a reload, is done; `status` is how it is from now on, in words."""
        self._send(message("READY", status=status))

    def reloading(self) -> None:
        """The configuration is read again: `ready` follows."""
        self._send(message("RELOADING", monotonic_usec=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))

    def stopping(self, within_s: float, status: str) -> None:
        """The service has been told to end, and needs at most so long: even if the unit allows less."""
        self._send(message("STOPPING", status=status, extend_timeout_usec=int(within_s * 1e6)))

    async def beat(self, status: Callable[[], str]) -> None:
        """Feed the watchdog and tell what `status` says, until cancelled.

        The watchdog is about the event loop alone: a task that runs in time has shown that it turns. What
        the service lacks (a session with the XMPP server, say) is in the status: no restart would bring it.
        """
        if not self.listens:
            return
        told = ""
        while True:
            words = status()
            states = ("WATCHDOG",) if self.watchdog_s else ()
            if states or words != told:
                self._send(message(*states, status=words if words != told else ""))
            told = words
            await asyncio.sleep(min(self.watchdog_s / 2, STATUS_S) if self.watchdog_s else STATUS_S)

    def _send(self, data: bytes) -> None:
        if not self._path:
            return
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path  # @: an abstract socket
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(data, address)
        except OSError as error:
            if not self._failed:
                logger.warning("systemd cannot be told", socket=self._path, reason=error.strerror)
            self._failed = True
