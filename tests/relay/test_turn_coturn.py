"""The relay with coturn's own client and echo peer (Debian's package `coturn`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.relay.coturn import MESSAGES, echo_peer, lost_nothing, uclient
from tests.relay.turn_client import SECRET, running_relay, running_tls_relay

ROMEO = ("-u", "romeo@localhost", "-W", SECRET)
LOOPBACK = {
    "turn__allow_peers": '["127.0.0.0/8"]',
    "turn__unauthenticated_per_second": 100,  # a dozen clients behind one address start in the same second
    "turn__allocations_per_user": 1000,  # those of clients that gave up stay for their lifetime
}


@pytest.fixture
async def echo_port() -> AsyncIterator[int]:
    """The port of coturn's echo peer."""
    async with echo_peer() as port:
        yield port


TRANSPORTS = {"udp": (), "tcp": ("-t", "-l", "171")}  # an odd length, to meet the padding


async def test_coturns_client_gets_every_indication_back(tmp_path: Path, echo_port: int) -> None:
    options = (*ROMEO, "-s", "-m", "4", "-G", "-r", str(echo_port))
    port = free_port()
    ports = {"turn__udp_port": port, "turn__tcp_port": port}
    async with running_tls_relay(tmp_path, **ports, **LOOPBACK) as (_, tls_port):
        over_tls = uclient(tls_port, *options, *TRANSPORTS["tcp"], "-S")
        outputs = await asyncio.gather(
            over_tls, *(uclient(port, *options, *more) for more in TRANSPORTS.values())
        )
        for output in outputs:
            assert lost_nothing(output, 4 * MESSAGES), output[-3000:]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_coturns_client_gets_every_channel_message_back(
    tmp_path: Path, echo_port: int, transport: str
) -> None:
    """Debian's client picks channel numbers up to 0x7FFF at random; a quarter of them are still allowed."""
    options = (*ROMEO, "-r", str(echo_port), *TRANSPORTS[transport])
    async with running_relay(tmp_path, **LOOPBACK) as (_, port):
        for _ in range(10):
            outputs = await asyncio.gather(*(uclient(port, *options) for _ in range(8)))
            bound = [output for output in outputs if "channel bind: error 400" not in output]
            assert all(lost_nothing(output, MESSAGES) for output in bound), bound[0][-3000:]
            if bound:
                return
        pytest.fail("no client chose a channel number below 0x5000")
