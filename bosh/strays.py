"""Requests of BOSH sessions that reach another process than the one that leads them (bosh.predecessor)."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from bosh.connection import Connection
from bosh.context import Context
from carillon.control import ControlError, listen
from carillon.handover import HandoverError


class Strays:
    """Where a front that is replaced takes the requests that its successor passes on."""

    def __init__(self, context: Context, control: str) -> None:
        """Beside the control socket. Raises HandoverError."""
        self._context = context
        self._file = Path(control).with_suffix(f".{os.getpid()}")
        try:
            self._listener = listen(self._file)
        except ControlError as error:
            raise HandoverError(str(error)) from error
        self._opening: asyncio.Task[asyncio.Server] | None = None

    @property
    def path(self) -> str:
        """The UNIX socket; requests wait there until `open`."""
        return str(self._file)

    def open(self) -> None:
        """Take requests."""
        loop = asyncio.get_running_loop()
        made = loop.create_unix_server(partial(Connection, self._context), sock=self._listener)
        self._opening = loop.create_task(made)

    def close(self) -> None:
        """Take no more; idempotent."""
        if self._opening is not None:
            self._opening.cancel()
            if self._opening.done() and not self._opening.cancelled():
                self._opening.result().close()
        self._listener.close()
        self._file.unlink(missing_ok=True)
