"""A `carillon dev` for tests: on free ports, in a directory of its own, stopped for certain.

with DevServer(tmp_path, "--user", "alice:secret") as server:
    page.goto(server.url("room"))
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.leash import LEASH
from tests.ports import free_base_port

SERVERS = ("prosody", "ejabberd")
ON_BOTH_SERVERS = pytest.mark.parametrize("server", SERVERS, indirect=True)
"""Has a test run on a deployment of each XMPP server. One of each kind does, for all of its kind."""


class DevServerError(Exception):
    """`carillon dev` did not do what was asked; the text ends with its output."""


class DevServer:
    """Runs `carillon dev` in `directory` with further `options`; `command` begins its command line."""

    def __init__(
        self,
        directory: Path,
        *options: str,
        base_port: int | None = None,
        start_timeout_s: float = 60.0,
        command: tuple[str, ...] = (sys.executable, "-m", "carillon", "dev"),
    ) -> None:
        self.directory = directory
        self.base_port = base_port or free_base_port()
        self._argv = (*LEASH, *command, "--dir", str(directory), "--base-port", str(self.base_port), *options)
        self._start_timeout_s = start_timeout_s
        self._log = directory.with_name(directory.name + ".log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> DevServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until every part answers. Raises DevServerError."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self.endpoints_file.unlink(missing_ok=True)  # of one that was killed
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + self._start_timeout_s
        while not self.endpoints_file.exists():
            status = self._process.poll()
            if status is not None or time.monotonic() > deadline:
                why = "is not ready in time" if status is None else f"ended with status {status}"
                self.stop()
                raise DevServerError(f"carillon dev {why}:\n{self.log_tail()}")
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 15.0) -> int:
        """Stop it by a signal and give its exit status. Raises DevServerError when it has to be killed."""
        process = self._process
        if process is None:
            return 0
        self._process = None
        with suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise DevServerError(f"carillon dev did not stop in {timeout_s} s:\n{self.log_tail()}") from None

    @property
    def pid(self) -> int:
        """The process id of `carillon dev` itself."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def endpoints_file(self) -> Path:
        return self.directory / "endpoints.json"

    @property
    def endpoints(self) -> dict[str, Any]:
        """What endpoints.json says now."""
        found: dict[str, Any] = json.loads(self.endpoints_file.read_text(encoding="utf-8"))
        return found

    def url(self, path: str = "") -> str:
        """The address of a page of the front."""
        return f"{self.endpoints['http']}/{path.removeprefix('/')}"

    def log(self) -> str:
        """All it has written so far: what it prints, and the log of every part."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def log_tail(self, lines: int = 60) -> str:
        """The last lines of its output and of the XMPP server's log, to show beside a failure."""
        shown = self.log().splitlines()[-lines:]
        for log in (self.directory / "prosody" / "prosody.log", self.directory / "ejabberd" / "ejabberd.log"):
            if log.exists():
                more = log.read_text(encoding="utf-8", errors="replace").splitlines()
                shown += [f"--- {log.name}", *more[-lines // 3 :]]
        return "\n".join(shown)


Deployments = Callable[..., DevServer]
"""Gives the shared deployment with that server ("prosody") and further options."""
