"""The bridge while it runs: SIGHUP ends no conference, SIGTERM waits for those that go on."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import aiohttp

from bridge.main import Bridge, make_router
from carillon.settings import parse
from tests.bridge.media_client import BlindRouter
from tests.bridge.test_bridge_rest import CREATE, Api, bridge_settings
from tests.carillon.part_process import part, rewrite
from tests.ports import free_port


async def test_another_limit_is_for_new_endpoints(tmp_path: Path) -> None:
    bridge = Bridge(bridge_settings(max_endpoints=1), BlindRouter)
    await bridge.start()
    async with aiohttp.ClientSession() as http:
        api = Api(bridge, http)
        assert (await api.create(CREATE))[0] == 200
        assert (await api.create({**CREATE, "id": "b"}, meeting="n"))[0] == 503
        bridge.reload(parse("[bridge]\nmax_endpoints = 2\n", tmp_path / "carillon.toml"))
        assert (await api.create({**CREATE, "id": "b"}, meeting="n"))[0] == 200
    await bridge.stop()


async def test_who_drains_refuses_new_conferences_and_says_so_as_jvb_does() -> None:
    bridge = Bridge(bridge_settings(), make_router)
    await bridge.start()
    async with aiohttp.ClientSession() as http:
        api = Api(bridge, http)
        await api.create(CREATE)
        bridge.drain()
        status, answer = await api.create(CREATE, meeting="n")
        assert (status, answer["reason"]) == (503, "graceful_shutdown")
        assert (await api.patch({**CREATE, "id": "b"}))[0] == 200
        _, statistics = await api.call("GET", "/colibri/stats")
        assert statistics["graceful_shutdown"] is True
        assert bridge.remaining() == {"conferences": 1}
        await api.patch(expire=True)
        assert bridge.remaining() == {"conferences": 0}
    await bridge.stop()


async def test_signals_while_a_conference_goes_on(tmp_path: Path) -> None:
    rest, media = free_port(), free_port()
    config = tmp_path / "carillon.toml"
    text = (
        f'[bridge]\nrest = "127.0.0.1:{rest}"\nport = {media}\ncontrol = "b.sock"\nmax_endpoints = {{}}\n'
        "[operation]\ndrain_s = 60\n"
    )
    rewrite(config, text.format(1))
    conferences = f"http://127.0.0.1:{rest}/colibri/v2/conferences"

    def wanted(meeting: str, *, create: bool = True) -> dict[str, Any]:
        return {"meeting-id": meeting, "name": "room@muc", "create": create, "endpoints": [CREATE]}

    async with part("bridge", config) as bridge, aiohttp.ClientSession() as http:
        async with http.post(conferences, json=wanted("m")) as response:
            assert response.status == 200
        rewrite(config, text.format(2))
        bridge.send(signal.SIGHUP)
        await bridge.says("reloaded changed=bridge.max_endpoints")
        bridge.send(signal.SIGTERM)
        await bridge.says("drains: nothing new begins")
        async with http.post(conferences, json=wanted("n")) as response:
            assert (response.status, (await response.json())["reason"]) == (503, "graceful_shutdown")
        async with http.patch(f"{conferences}/m", json={"expire": True}) as response:
            assert response.status == 200
        assert await bridge.ended() == 0
