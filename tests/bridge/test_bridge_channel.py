"""The bridge channel over a real WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bridge.channel import MAX_MESSAGE_BYTES, MESSAGE_BURST
from bridge.main import Bridge, make_router
from bridge.metrics import REJECTED
from tests.bridge.media_client import until
from tests.bridge.test_bridge_rest import CREATE, Api, bridge_settings


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    bridge = Bridge(bridge_settings(), make_router)
    await bridge.start()
    async with aiohttp.ClientSession() as http:
        yield Api(bridge, http)
    await bridge.stop()


def rejected(reason: str) -> float:
    return float(REJECTED.labels("channel", reason)._value.get())


async def password(api: Api, name: str) -> str:
    body = {**CREATE, "id": name}
    status, answer = await (api.patch(body) if api.bridge.registry.conferences else api.create(body))
    assert status == 200
    pwd: str = answer["endpoints"][0]["transport"]["transport"]["pwd"]
    return pwd


async def connect(api: Api, name: str, pwd: str) -> aiohttp.ClientWebSocketResponse:
    """An open channel that has been greeted."""
    socket = await api.http.ws_connect(f"{api.base}/colibri-ws/default-id/m/{name}?pwd={pwd}")
    assert (await receive(socket))["colibriClass"] == "ServerHello"
    return socket


async def receive(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    async with asyncio.timeout(5):
        message: dict[str, Any] = json.loads(await socket.receive_str())
        return message


@pytest.mark.parametrize(
    "path", ["m/a?pwd=wrong", "m/a", "m/b?pwd=x", "other/a?pwd=x", "m/a?pwd=%C3%A4", "m/a?pwd="]
)
async def test_without_the_right_password_nothing_is_told(api: Api, path: str) -> None:
    await password(api, "a")
    before = rejected("password")
    async with api.http.get(f"{api.base}/colibri-ws/default-id/{path}") as response:
        assert (response.status, await response.text()) == (403, "authentication failed")
        assert "Server" not in response.headers
    assert rejected("password") == before + 1


async def test_messages_pass_between_endpoints_with_the_true_sender(api: Api) -> None:
    a = await connect(api, "a", await password(api, "a"))
    b = await connect(api, "b", await password(api, "b"))
    forged = {"colibriClass": "EndpointMessage", "to": "b", "from": "moderator", "msgPayload": {"x": 1}}
    await a.send_json(forged)
    assert await receive(b) == {**forged, "from": "a"}


async def test_what_is_no_message_is_counted_and_dropped(api: Api) -> None:
    a = await connect(api, "a", await password(api, "a"))
    b = await connect(api, "b", await password(api, "b"))
    before = rejected("json"), rejected("binary")
    twice = '{"colibriClass":"EndpointMessage","to":"b","to":"a","msgPayload":{}}'
    for text in ("", "[]", "nonsense", twice, "[" * 1000):
        await a.send_str(text)
    await a.send_bytes(b"binary")
    await a.send_json({"colibriClass": "EndpointMessage", "to": "b", "msgPayload": {}})
    assert (await receive(b))["from"] == "a"
    assert (rejected("json"), rejected("binary")) == (before[0] + 5, before[1] + 1)


async def test_a_message_that_is_too_long_closes_the_channel(api: Api) -> None:
    a = await connect(api, "a", await password(api, "a"))
    await a.send_str(" " * (MAX_MESSAGE_BYTES + 1))
    async with asyncio.timeout(5):
        assert (await a.receive()).type is aiohttp.WSMsgType.CLOSE
    assert a.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_a_flood_of_messages_is_cut_down(api: Api) -> None:
    a = await connect(api, "a", await password(api, "a"))
    b = await connect(api, "b", await password(api, "b"))
    before = rejected("rate")
    for _ in range(int(MESSAGE_BURST) * 2):
        await a.send_str("{}")
    await b.send_json({"colibriClass": "EndpointMessage", "to": "a", "msgPayload": {}})
    assert (await receive(a))["from"] == "b"
    await until(lambda: rejected("rate") - before >= MESSAGE_BURST / 2)


async def test_a_new_channel_takes_the_place_of_the_old_one(api: Api) -> None:
    pwd = await password(api, "a")
    first, second = await connect(api, "a", pwd), await connect(api, "a", pwd)
    async with asyncio.timeout(5):
        assert (await first.receive()).type is aiohttp.WSMsgType.CLOSE
    assert first.close_code == aiohttp.WSCloseCode.GOING_AWAY
    endpoint = api.bridge.registry.conferences["m"].endpoints["a"]
    assert endpoint.channel is not None
    endpoint.channel.send({"colibriClass": "Test"})
    assert await receive(second) == {"colibriClass": "Test"}
    await second.close()
    await until(lambda: endpoint.channel is None)


async def test_the_channel_closes_with_its_endpoint(api: Api) -> None:
    a = await connect(api, "a", await password(api, "a"))
    await api.patch({"id": "a", "expire": True})
    async with asyncio.timeout(5):
        assert (await a.receive()).type is aiohttp.WSMsgType.CLOSE
    assert a.close_code == aiohttp.WSCloseCode.GOING_AWAY


async def test_a_client_that_does_not_read_is_disconnected(api: Api) -> None:
    a = await connect(api, "a", await password(api, "a"))
    endpoint = api.bridge.registry.conferences["m"].endpoints["a"]
    before = rejected("slow")
    for _ in range(20):
        if endpoint.channel is not None:
            endpoint.channel.send({"colibriClass": "Test", "x": "y" * 60000})
    assert rejected("slow") == before + 1
    async with asyncio.timeout(5):
        while not a.closed:
            await a.receive()
    assert a.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER
