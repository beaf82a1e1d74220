"""An XMPP server that somebody runs already, and a `carillon run` beside it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from carillon import settings
from carillon.settings import Settings

Process = subprocess.Popen[bytes]


@contextmanager
def running(*argv: object, output: Path, environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    command, env = list(map(str, argv)), {**os.environ, **(environment or {})}
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until_says(process: Process, file: Path, words: str) -> None:
    deadline = time.monotonic() + 30
    while not file.exists() or words not in file.read_text():
        assert process.poll() is None and time.monotonic() < deadline, f"no {words!r} in {file}"
        time.sleep(0.05)


@contextmanager
def carillon_run(configured: Settings) -> Iterator[Path]:
    """`carillon run`, when every part answers; its log."""
    log = configured.path.parent / "carillon.log"
    argv = (sys.executable, "-m", "carillon", "run", "--config", configured.path)
    with running(*argv, output=log) as process:
        until_says(process, log, "every part answers")
        yield log


def snippet(kind: str, configured: Settings) -> str:
    """What the command prints."""
    argv = (sys.executable, "-m", "carillon", "snippet", kind, "--config", str(configured.path))
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def configure(directory: Path, base: int, xmpp: str = "") -> Settings:
    """The configuration for example.org, with `xmpp` in that section, and the secrets that it names."""
    for name in ("component", "turn"):
        secret = directory / "secrets" / name
        secret.parent.mkdir(exist_ok=True)
        secret.touch(mode=0o600)
        secret.write_text(f'"secret" of the {name} \\\n')
    path = directory / "carillon.toml"
    path.write_text(
        f"""
        [xmpp]
        domain = "example.org"
        c2s_port = {base + 1}
        component_port = {base + 2}
        {xmpp}
        [focus]
        bridge = "http://127.0.0.1:{base + 3}"
        [bridge]
        rest = "127.0.0.1:{base + 3}"
        port = {base + 4}
        [turn]
        udp_port = {base + 5}
        tcp_port = {base + 5}
        relay_ports = [{base + 100}, {base + 299}]
        [socks5]
        port = {base + 7}
        [front]
        port = {base}
        """
    )
    return settings.load(path)


async def meeting_of_a_guest(configured: Settings) -> None:
    """Log in as a guest, through the WebSocket of the front, and have the focus open a meeting."""
    guests, url = configured.xmpp.guest_domain, f"ws://127.0.0.1:{configured.front.port}/xmpp-websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=("xmpp",)) as ws:
        framing = f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{guests}' version='1.0'/>"

        async def exchange(text: str, end: str) -> str:
            await ws.send_str(text)
            while end not in (got := await ws.receive_str(timeout=15)):
                pass
            return got

        assert "ANONYMOUS" in await exchange(framing, "features")
        await exchange("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", "<success")
        await exchange(framing, "features")
        bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
        await exchange(f"<iq xmlns='jabber:client' type='set' id='bind'>{bind}</iq>", "<jid>")
        conference = (
            "<iq xmlns='jabber:client' type='set' id='ask' to='focus.example.org'>"
            "<conference xmlns='http://jitsi.org/protocol/focus' room='meeting@conference.example.org'"
            " machine-uid='0123456789'/></iq>"
        )
        answer = await exchange(conference, "ask")
        assert re.search(r"""ready=["']true["']""", answer), answer
        services = "<services xmlns='urn:xmpp:extdisco:2'/>"
        relay = await exchange(
            f"<iq xmlns='jabber:client' type='get' id='turn' to='{guests}'>{services}</iq>", "turn"
        )
        assert f'port="{configured.turn.udp_port}"' in relay.replace("'", '"') and "password" in relay, relay
