"""Meetings through nginx and HAProxy with TLS, configured by the printed snippets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from carillon.control import ask
from carillon.settings import load
from tests.dev_server import DevServer
from tests.e2e.harness import Meeting, room_name
from tests.ports import free_port
from tests.web_proxy import PROXIES, running

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """A deployment whose front people reach through a proxy alone."""
    host = f"localhost:{free_port()}"
    values = {
        "front.public_url": f"https://{host}",
        "front.trusted_proxies": ["127.0.0.1"],
        "bridge.websocket_url": f"wss://{host}/colibri-ws",
    }
    options = (word for key, value in values.items() for word in ("--set", f"{key}={json.dumps(value)}"))
    with DevServer(tmp_path_factory.mktemp("proxied") / "dev", *options) as server:
        yield server


@pytest.mark.parametrize("kind", PROXIES)
async def test_a_meeting_over_https_with_bosh_and_bridge_channels(
    kind: str, proxied: DevServer, browser: Browser, library: str, tmp_path: Path
) -> None:
    endpoints = proxied.endpoints
    room, meeting = room_name(), Meeting(browser, endpoints, library)
    with running(kind, tmp_path, load(Path(endpoints["config"]))):
        first = await meeting.open("page", room, camera="640x360")
        second = await meeting.open("lyno", room, camera="640x360", websocket=endpoints["bosh"])
        tabs = {await tab.joined(): tab for tab in (first, second)}
        await asyncio.gather(*(tab.sees_and_hears(set(tabs) - {own}) for own, tab in tabs.items()))
        _, metrics = await ask(endpoints["control"]["front"], "/metrics")
        for session, count in (("xmpp", 1), ("bosh", 1), ("bridge", 2)):
            assert f'carillon_front_sessions{{kind="{session}"}} {count}.0' in metrics
        await second.call("leave")  # or its session of BOSH waits for another page
        for tab in tabs.values():
            await tab.close()
