"""ACME challenges on both ports of the front, and the way from the plain one to HTTPS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from bosh.acme_challenge import PREFIX, challenge
from bosh.main import Front, make
from carillon.certificate import make_self_signed
from carillon.part import PartError
from carillon.settings import Settings
from tests.bosh.conftest import StartFront
from tests.ports import free_port


@pytest.fixture
def webroot(tmp_path: Path) -> Path:
    directory = tmp_path / "webroot"
    (directory / PREFIX[1:]).mkdir(parents=True)
    (directory / PREFIX[1:] / "to-ken_1").write_text("to-ken_1.hash")
    (directory / PREFIX[1:] / "large").write_bytes(bytes(100_000))
    (directory / "secret").write_text("secret")
    return directory


@pytest.fixture
def both(settings: Settings, webroot: Path, tmp_path: Path) -> Settings:
    """HTTPS with a plain port beside it."""
    pem, key = tmp_path / "a.pem", tmp_path / "a.key"
    make_self_signed(pem, key, ("localhost",))
    front = replace(settings.front, certificate=str(pem), key=str(key), public_url="https://meet.example")
    return replace(settings, front=replace(front, acme_webroot=str(webroot), http_port=free_port()))


def test_a_token_is_answered_and_no_path_leads_elsewhere(webroot: Path) -> None:
    found = challenge(str(webroot), f"{PREFIX}to-ken_1")
    assert found is not None and (found.status, found.body) == (200, b"to-ken_1.hash")
    large = challenge(str(webroot), f"{PREFIX}large")
    assert large is not None and len(large.body) <= 1024
    for token in ("", "other", "../secret", "..%2fsecret", "%2e%2e", "a/b", ".", "a" * 300, "to-ken_1\0"):
        refused = challenge(str(webroot), PREFIX + token)
        assert refused is not None and refused.status == 404
    assert challenge(str(webroot), "/room") is None
    assert challenge("", f"{PREFIX}to-ken_1") is None
    (webroot / PREFIX[1:] / "dir").mkdir()
    directory = challenge(str(webroot), f"{PREFIX}dir")
    assert directory is not None and directory.status == 404


async def test_challenges_are_answered_on_both_ports(both: Settings, start_front: StartFront) -> None:
    front = await start_front(both)
    async with aiohttp.ClientSession() as session:
        for url in (f"https://localhost:{front.port}", f"http://127.0.0.1:{both.front.http_port}"):
            async with session.get(f"{url}{PREFIX}to-ken_1", ssl=False) as response:
                assert (response.status, await response.text()) == (200, "to-ken_1.hash")


async def test_the_plain_port_leads_to_https_and_nowhere_else(
    both: Settings, start_front: StartFront
) -> None:
    await start_front(both)
    base = f"http://127.0.0.1:{both.front.http_port}"
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/room?a=b", "/xmpp-websocket", "/carillon.json", "//elsewhere.example/x"):
            async with session.get(base + path, allow_redirects=False) as response:
                assert response.status == 308
                assert response.headers["Location"] == f"https://meet.example{path}"
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Protocol": "xmpp"}
        async with session.get(f"{base}/xmpp-websocket", headers=upgrade, allow_redirects=False) as response:
            assert response.status == 308


async def test_without_a_directory_there_are_no_challenges(
    settings: Settings, start_front: StartFront
) -> None:
    front = await start_front(settings)
    url = f"http://127.0.0.1:{front.port}{PREFIX}to-ken_1"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 404


async def test_a_plain_port_in_use_is_named_and_the_other_is_free_again(
    both: Settings, settings: Settings, start_front: StartFront
) -> None:
    taken = await start_front(settings)
    front = make(replace(both, front=replace(both.front, http_port=taken.port)))
    with pytest.raises(PartError, match=f"port {taken.port} is in use"):
        await front.start()
    assert front.trouble() is not None
    again = Front(both)
    await again.start()
    await again.stop()
