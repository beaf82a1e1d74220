"""The front behind a real nginx, configured as README.md says."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bosh.main import Front
from carillon.certificate import make_self_signed
from carillon.settings import Settings
from tests.bosh.bosh_client import BoshClient, body
from tests.bosh.conftest import free_port
from tests.bosh.rfc7395_client import XmppClient

README = Path(__file__).parent.parent.parent / "README.md"


def configuration(directory: Path, port: int, front_port: int) -> str:
    """The block of README.md with this test's ports and files, in a whole configuration."""
    block = re.findall("^```nginx\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)[0]
    for written, ours in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/letsencrypt/live/meet.example.org/fullchain.pem", f"{directory}/a.pem"),
        ("/etc/letsencrypt/live/meet.example.org/privkey.pem", f"{directory}/a.key"),
        ("http://127.0.0.1:8080", f"http://127.0.0.1:{front_port}"),
    ):
        assert written in block
        block = block.replace(written, ours)
    paths = "".join(
        f"{kind}_temp_path {directory}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off;\nworker_processes 1;\npid {directory}/pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{block}\n}}\n"
    )


@pytest.fixture
async def nginx_port(front: Front, tmp_path: Path) -> AsyncIterator[int]:
    """The HTTPS port of an nginx before the front, with the certificate a.pem of tmp_path."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "nginx is missing: install Debian's package nginx-light"
    make_self_signed(tmp_path / "a.pem", tmp_path / "a.key", ("localhost",))
    port, config = free_port(), tmp_path / "nginx.conf"
    config.write_text(configuration(tmp_path, port, front.port))
    process = await asyncio.create_subprocess_exec(
        *(program, "-p", str(tmp_path), "-e", "stderr", "-c", str(config)), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        for _ in range(200):
            if process.returncode is not None:
                pytest.fail((await process.stderr.read()).decode())
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            break
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_pages_and_xmpp_pass_through(prosody: Settings, nginx_port: int, tmp_path: Path) -> None:
    trust = ssl.create_default_context(cafile=tmp_path / "a.pem")
    base = f"https://localhost:{nginx_port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base}/carillon.json", ssl=trust) as response:
            assert (await response.json())["domain"] == prosody.xmpp.domain
        async with session.ws_connect(f"{base}/xmpp-websocket", protocols=["xmpp"], ssl=trust) as socket:
            client = XmppClient(socket)
            await client.login(prosody.xmpp.guest_domain)
            await client.ping()


async def test_bosh_passes_through_and_nothing_is_smuggled(
    prosody: Settings, nginx_port: int, tmp_path: Path
) -> None:
    trust = ssl.create_default_context(cafile=tmp_path / "a.pem")
    connector = aiohttp.TCPConnector(ssl=trust, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        client = BoshClient(session, f"https://localhost:{nginx_port}/http-bind")
        await client.login(prosody.xmpp.guest_domain)
        hidden = f"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n{body(rid=1, sid='x')}"
        for headers in ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: xchunked"):
            reader, writer = await asyncio.open_connection("localhost", nginx_port, ssl=trust)
            head = f"POST /http-bind HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n0\r\n\r\n"
            writer.write((head + hidden).encode())
            writer.write(b"GET /http-bind HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 10)
            assert b"there is nothing here" not in answer and b"item-not-found" not in answer
            writer.close()
        await client.ping()
