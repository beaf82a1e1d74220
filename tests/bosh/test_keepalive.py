"""The front's sockets are told to notice that their peer is gone."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

from bosh import keepalive
from bosh.main import Front
from bosh.tunnel import Tunnel
from carillon.settings import Settings
from tests.bosh.conftest import StartFront
from tests.bosh.raw_client import upgrade

PROBED = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): keepalive.IDLE_S,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): keepalive.INTERVAL_S,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): keepalive.PROBES,
}
LIMIT = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


def options_of(transport: asyncio.BaseTransport) -> dict[tuple[int, int], int]:
    """The options of a connection that matter here, as the kernel has them."""
    connection = transport.get_extra_info("socket")
    return {option: connection.getsockopt(*option) for option in (*PROBED, LIMIT)}


async def joined(front: Front) -> Tunnel:
    """The connection of a client that the front has joined to the bridge."""
    async with asyncio.timeout(5):
        while True:
            for one in front._context.live:
                if isinstance(one, Tunnel) and one.upstream.transport is not None:
                    return one
            await asyncio.sleep(0)


async def test_both_sides_of_a_joined_connection_are_probed_and_only_the_client_has_a_limit(
    settings: Settings, start_front: StartFront
) -> None:
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        changed = replace(settings, bridge=replace(settings.bridge, rest=f"{host}:{port}"))
        front = await start_front(changed)
        _, client = await asyncio.open_connection("127.0.0.1", front.port)
        client.write(upgrade("/colibri-ws/default-id/meeting/endpoint"))
        tunnel = await joined(front)
        assert tunnel.upstream.transport is not None
        assert options_of(tunnel.client) == {**PROBED, LIMIT: keepalive.UNACKNOWLEDGED_S * 1000}
        assert options_of(tunnel.upstream.transport) == {**PROBED, LIMIT: 0}
        client.close()
