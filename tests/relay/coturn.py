"""coturn's own client and echo peer (Debian's package `coturn`)."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.ports import free_port

MESSAGES = 10
"""What each client sends."""


def _tool(name: str) -> str:
    path = shutil.which(name)
    assert path, f"{name} is missing: install Debian's package coturn"
    return path


@asynccontextmanager
async def echo_peer() -> AsyncIterator[int]:
    """The port of an echo peer, while it runs."""
    port = free_port()
    peer = await asyncio.create_subprocess_exec(_tool("turnutils_peer"), "-L", "127.0.0.1", "-p", str(port))
    try:
        yield port
    finally:
        peer.terminate()
        await peer.wait()


async def uclient(port: int, *options: str) -> str:
    """What coturn's client says, run to its end against the relay at `port`."""
    command = (
        *(_tool("turnutils_uclient"), "-c", "-z", "5", "-n", str(MESSAGES), "-e", "127.0.0.1"),
        *("-p", str(port), *options, "127.0.0.1"),
    )
    client = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert client.stdout is not None
    try:
        output = await asyncio.wait_for(client.stdout.read(), 40)
    finally:
        if client.returncode is None:
            client.kill()
        await client.wait()
    return output.decode("utf-8", "replace")


def lost_nothing(output: str, messages: int) -> bool:
    """Whether all messages were sent and came back."""
    return re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", output)[-1:] == [(str(messages),) * 2]
