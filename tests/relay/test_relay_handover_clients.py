"""coturn's client (Debian's package `coturn`) goes on through a hand-over of the relay."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.relay.coturn import echo_peer, uclient
from tests.relay.relay_process import RelayConfiguration
from tests.relay.turn_client import SECRET

CLIENTS, MESSAGES, PACE_MS = 20, 150, 20


@pytest.mark.parametrize("transport", [(), ("-t",)], ids=["udp", "tcp"])
async def test_coturns_clients_lose_no_allocation_and_no_message(
    tmp_path: Path, transport: tuple[str, ...]
) -> None:
    configuration = RelayConfiguration(tmp_path)
    async with configuration.running() as first, echo_peer() as peer:
        options = ("-u", "romeo@localhost", "-W", SECRET, "-s", "-m", str(CLIENTS), "-n", str(MESSAGES))
        pace = ("-z", str(PACE_MS), "-r", str(peer))
        clients = asyncio.create_task(uclient(configuration.port, *options, *pace, *transport))
        async with asyncio.timeout(20):
            while len(await configuration.allocations()) < CLIENTS:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        before = {one["port"] for one in await configuration.allocations()}
        async with configuration.successor():
            await first.ended()
            after = {one["port"] for one in await configuration.allocations()}
            output = await clients
    assert len(before) >= CLIENTS and before == after
    sent = f"tot_send_msgs={CLIENTS * MESSAGES}, tot_recv_msgs={CLIENTS * MESSAGES}"
    assert sent in output, output[-3000:]
    print(f"hand-over, coturn's client: {len(after)} allocations, none lost, {sent}")
