"""A supervised relay that is killed: who connects meanwhile waits for the next one, and is not refused."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from carillon.part_program import part_argv, part_program
from carillon.program import Pace
from carillon.settings import load
from carillon.supervisor import Supervisor
from tests.relay.relay_process import RelayConfiguration
from tests.relay.socks5_client import Socks5Client
from tests.relay.turn_client import TurnClient, any_certificate, credential


class Supervised:
    """A supervisor with nothing but a relay."""

    def __init__(self, configuration: RelayConfiguration, pause_s: float) -> None:
        program = part_program("relay", load(configuration.path), part_argv("relay", configuration.path))
        self._supervisor = Supervisor([program], self._ready, Pace(first_pause_s=pause_s))
        self._pids: asyncio.Queue[int] = asyncio.Queue()
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._supervisor.run(self._stop))

    def _ready(self, pids: dict[str, int]) -> None:
        self._pids.put_nowait(pids["relay"])

    async def started(self) -> int:
        """Wait for the next process; its id."""
        return await asyncio.wait_for(self._pids.get(), 60)

    async def stop(self) -> None:
        self._supervisor.hurry()
        self._stop.set()
        await self._task


async def test_who_connects_while_there_is_no_relay_waits_for_the_next(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path, socks5=True)
    supervised = Supervised(configuration, pause_s=0.5)
    os.kill(await supervised.started(), signal.SIGKILL)
    await asyncio.sleep(0.1)
    client, by_tls = TurnClient("tcp", credential()), TurnClient("tls", credential())
    by_tls.tls_context = any_certificate()
    await client.connect(configuration.port)  # by the kernel: nobody accepts it yet
    transfers = await Socks5Client.connect(configuration.socks5_port)
    handshake = asyncio.create_task(by_tls.connect(configuration.tls_port))
    await supervised.started()
    await handshake
    await client.allocate()
    await by_tls.allocate()
    assert await transfers.ask("a" * 40) == 0
    client.close()
    by_tls.close()
    transfers.close()
    await supervised.stop()
    with pytest.raises(ConnectionRefusedError):
        await client.connect(configuration.port)


async def test_a_relay_that_drains_refuses_transfers_under_a_supervisor_too(tmp_path: Path) -> None:
    configuration = RelayConfiguration(tmp_path, socks5=True)
    supervised = Supervised(configuration, pause_s=0.5)
    pid = await supervised.started()
    client = TurnClient("tcp", credential())
    await client.connect(configuration.port)
    await client.allocate()
    os.kill(pid, signal.SIGTERM)

    async def refused() -> bool:
        try:
            (await Socks5Client.connect(configuration.socks5_port)).close()
        except ConnectionRefusedError:
            return True
        return False

    async with asyncio.timeout(5):
        while not await refused():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    client.close()
    await supervised.stop()
