"""The relay in a process of its own, and a newer one that takes over its work."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from carillon.certificate import ensure
from carillon.control import ask
from tests.carillon.part_process import Process, part, rewrite
from tests.ports import free_port
from tests.relay.turn_client import SECRET


class RelayConfiguration:
    """A configuration file of a relay on loopback, for processes one after another."""

    def __init__(self, directory: Path, *, socks5: bool = False, **turn: str) -> None:
        """`turn` are more settings of [turn], as TOML values."""
        self.path = directory / "carillon.toml"
        self.port, self.tls_port, self.socks5_port = free_port(), free_port(), free_port()
        self.control = str(directory / "relay.sock")
        (directory / "secret").touch(mode=0o600)
        (directory / "secret").write_text(SECRET)
        ensure(directory / "relay.pem", directory / "relay.key", ("127.0.0.1",))
        self._turn = {
            "udp_port": str(self.port),
            "tcp_port": str(self.port),
            "tls_port": str(self.tls_port),
            "certificate": '"relay.pem"',
            "key": '"relay.key"',
            "secret_file": '"secret"',
            "control": '"relay.sock"',
            "allow_peers": '["127.0.0.0/8"]',
            "allocations_per_user": "100",
            "unauthenticated_per_second": "1000",
            **turn,
        }
        self._socks5 = {"enabled": str(socks5).lower(), "port": str(self.socks5_port)}
        self.write()

    def write(self, **turn: str) -> None:
        """Write the file, with these settings of [turn] changed."""
        lines = ["[turn]", *(f"{key} = {value}" for key, value in (self._turn | turn).items())]
        lines += ["[socks5]", *(f"{key} = {value}" for key, value in self._socks5.items())]
        rewrite(self.path, "\n".join([*lines, ""]))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        """A relay."""
        async with part("relay", self.path) as relay:
            yield relay

    @asynccontextmanager
    async def successor(self) -> AsyncIterator[Process]:
        """A relay that takes over from the one that runs."""
        async with part("relay", self.path, "--take-over") as relay:
            yield relay

    async def allocations(self) -> list[dict[str, Any]]:
        """What whoever answers on the control socket says."""
        _, text = await ask(self.control, "/turn/allocations")
        listed: list[dict[str, Any]] = json.loads(text)
        return listed

    async def metric(self, name: str) -> float:
        """The value of one sample of its metrics, 0 when there is none."""
        _, text = await ask(self.control, "/metrics")
        found = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(f"{name} ")]
        return sum(map(float, found))
