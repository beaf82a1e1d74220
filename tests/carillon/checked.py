"""Runs `carillon check` on real set-ups: servers and parts with something broken, and the command itself."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from carillon.control import ControlError, ask
from carillon.settings import Settings
from tests.carillon.stock_server import running
from tests.component.prosody import SERVERS
from tests.leash import LEASH

START_S = 20.0
CHECK_S = 40.0


@dataclass(frozen=True)
class Checked:
    """What the command said."""

    status: int
    output: str

    @property
    def first_line(self) -> str:
        return self.output.partition("\n")[0]

    @property
    def complaints(self) -> list[str]:
        """All lines that are not about what is well."""
        return [line for line in self.output.splitlines()[:-2] if not line.startswith("ok ")]


def check(
    config: Path, *arguments: str, within: Sequence[str] = (), overrides: Sequence[str] = ()
) -> Checked:
    """Run the command, after the words `within` (a namespace, other rights)."""
    sets = [word for one in overrides for word in ("--set", one)]
    done = subprocess.run(
        [*within, sys.executable, "-m", "carillon", "check", *arguments, "--config", str(config), *sets],
        check=False,
        capture_output=True,
        text=True,
        timeout=CHECK_S,
    )
    assert not done.stderr, done.stderr
    return Checked(done.returncode, done.stdout)


@contextmanager
def process(argv: Sequence[str], ready: Callable[[], bool], log: Path, **environment: str) -> Iterator[None]:
    """Run something, wait until it is ready, and end it."""
    with running(*LEASH, *argv, output=log, environment=environment) as started:
        deadline = time.monotonic() + START_S
        while not ready():
            assert started.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield


def listens(*ports: int) -> Callable[[], bool]:
    """Whether something listens on TCP ports of 127.0.0.1; asks the kernel, not the port."""
    wanted = {f"0100007F:{port:04X}" for port in ports}

    def asked() -> bool:
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return wanted <= {row[1] for row in rows if row[3] == "0A"}

    return asked


@contextmanager
def part(
    name: str, config: Path, directory: Path, *overrides: str, within: Sequence[str] = ()
) -> Iterator[None]:
    """Run one part alone, after the words `within`, with its control socket in `directory` (`NAME.sock`)."""
    sets = [word for one in overrides for word in ("--set", one)]
    argv = [*within, sys.executable, "-m", "carillon", name, "--config", str(config), *sets]
    with process(argv, lambda: _healthy(directory / f"{name}.sock"), directory / f"{name}.log"):
        yield


def _healthy(path: Path) -> bool:
    try:
        status, _ = asyncio.run(ask(str(path), "/about/health"))
    except ControlError:
        return False
    return status == 200


@dataclass(frozen=True)
class OtherServer:
    """An XMPP server of its own beside a deployment whose component does not know it."""

    settings: Settings

    @property
    def overrides(self) -> tuple[str, ...]:
        """What leads a check from the deployment to this server; its component is asked there no more."""
        xmpp = self.settings.xmpp
        return (
            f"xmpp.c2s_port={xmpp.c2s_port}",
            f"xmpp.component_port={xmpp.component_port}",
            f"xmpp.guest_domain='{xmpp.guest_domain}'",
            f"xmpp.secret_file='{xmpp.secret_file}'",
            "link.enabled=false",
            "focus.control='run/no-component.sock'",
        )


@contextmanager
def other_server(
    kind: str, directory: Path, further: str = "", before: Sequence[str] = ()
) -> Iterator[OtherServer]:
    """Run a Prosody (with some more Lua) or an ejabberd; the words `before` begin its command line."""
    server = SERVERS[kind](directory)
    server.server.configure()
    with server.configuration.open("a") as file:
        file.write(further)
    program, xmpp = server.server.program(), server.settings.xmpp
    ready = listens(xmpp.c2s_port, xmpp.component_port)
    # Ends with what is before it, as faketime, which gives no signal on.
    with process((*before, *LEASH, *program.argv), ready, directory / "out", **program.environment):
        yield OtherServer(server.settings)
