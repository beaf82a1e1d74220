"""A newer bridge takes over: the sockets stay open, what comes meanwhile waits in them."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest

from bridge.main import Bridge
from carillon.handover import Handover, HandoverError
from tests.bridge.media_client import BlindRouter
from tests.bridge.test_bridge_rest import CREATE, Api, bridge_settings
from tests.ports import free_port


def sent(handover: Handover) -> Handover:
    """What the successor gets of it."""
    came = Handover(json.loads(json.dumps(handover.state)))
    came.adopt(handover.descriptors)
    handover.adopt(())
    return came


async def running(**changes: Any) -> Bridge:
    bridge = Bridge(bridge_settings(**changes), BlindRouter)
    await bridge.start()
    return bridge


async def test_the_successor_has_the_same_ports() -> None:
    old, new = await running(), Bridge(bridge_settings(), BlindRouter)
    handover = old.hand_over()
    port, rest = handover.state["port"], old.rest_port
    await new.take_over(sent(handover))
    old.released()
    await old.stop()
    async with aiohttp.ClientSession() as http:
        _, answer = await Api(new, http).create(CREATE)
    assert new.rest_port == rest
    assert f'"port": "{port}"' in json.dumps(answer)
    await new.stop()


async def test_what_comes_while_nobody_reads_is_answered_by_the_successor() -> None:
    old, new = await running(), Bridge(bridge_settings(), BlindRouter)
    handover = old.hand_over()
    with socket.create_connection(("127.0.0.1", old.rest_port)) as waiting:
        await new.take_over(sent(handover))
        old.released()
        await old.stop()
        waiting.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(waiting, b"GET /about/version HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await loop.sock_recv(waiting, 1000)).startswith(b"HTTP/1.1 200")
    await new.stop()


async def test_after_a_failure_the_old_one_goes_on_with_its_conferences() -> None:
    old = await running()
    async with aiohttp.ClientSession() as http:
        api = Api(old, http)
        await api.create(CREATE)
        old.hand_over().close()
        await old.resume()
        assert (await api.patch({**CREATE, "id": "b"}))[0] == 200
    assert old.remaining() == {"conferences": 1}
    await old.stop()


async def test_one_that_was_replaced_waits_for_no_conference() -> None:
    old = await running()
    async with aiohttp.ClientSession() as http:
        await Api(old, http).create(CREATE)
    old.hand_over().close()
    old.released()
    assert old.remaining() == {"conferences": 0}
    await old.stop()


async def test_what_the_configuration_wants_elsewhere_is_opened_anew() -> None:
    port, rest = free_port(), free_port()
    old = await running()
    new = Bridge(bridge_settings(port=port, rest=f"127.0.0.1:{rest}"), BlindRouter)
    handover = sent(old.hand_over())
    await new.take_over(handover)
    handover.close()
    assert new.rest_port == rest
    assert new.hand_over().state["port"] == port
    old.released()
    await old.stop()
    await new.stop()


async def test_a_state_without_sockets_is_refused() -> None:
    old = await running()
    handover = sent(old.hand_over())
    handover.close()
    with pytest.raises(HandoverError):
        await Bridge(bridge_settings(), BlindRouter).take_over(handover)
    await old.resume()
    await old.stop()


async def test_the_state_of_the_version_before_and_more_is_understood() -> None:
    """As recorded from it; what a newer one adds is ignored."""
    old, new = await running(), Bridge(bridge_settings(), BlindRouter)
    handover = old.hand_over()
    port = handover.state["port"]
    handover.state = {
        "port": port,
        "media": [{"ip": "127.0.0.1", "udp": 0, "tcp": 1, "newer": True}],
        "rest": {"address": "127.0.0.1:0", "socket": 2, "newer": True},
        "newer": {"things": []},
    }
    await new.take_over(sent(handover))
    assert new.hand_over().state["port"] == port
    old.released()
    await old.stop()
    await new.stop()
