"""The recipe for a Prosody that somebody already runs: Debian's configuration, the recipe, `carillon run`."""

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

from tests.dev_server import free_base_port

RECIPE = Path(__file__).parent.parent.parent / "prosody-config" / "recipe.cfg.lua"

DEBIAN = """
admins = { }
modules_enabled = {
  "disco"; "roster"; "saslauth"; "tls"; "blocklist"; "bookmarks"; "carbons"; "dialback"; "limits"; "pep";
  "private"; "smacks"; "vcard4"; "vcard_legacy"; "csi_simple"; "invites"; "invites_adhoc"; "invites_register";
  "ping"; "register"; "time"; "uptime"; "version"; "admin_adhoc"; "admin_shell"; "posix";
}
s2s_secure_auth = true
limits = { c2s = { rate = "10kb/s" }; s2sin = { rate = "30kb/s" } }
authentication = "internal_hashed"
-- what is not Debian's: this test's own directory and ports
data_path = "DIRECTORY"
certificates = "DIRECTORY"
admin_socket = "DIRECTORY/admin.sock"
run_as_root = true
interfaces = { "127.0.0.1" }
c2s_ports = { C2S }
component_ports = { COMPONENT }
s2s_ports = {}
http_ports = {}
https_ports = {}
log = { info = "DIRECTORY/prosody.log" }
VirtualHost "example.org"
"""


@contextmanager
def running(
    *argv: object, output: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
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


def until_says(process: subprocess.Popen[bytes], file: Path, words: str) -> None:
    deadline = time.monotonic() + 30
    while words not in file.read_text():
        assert process.poll() is None and time.monotonic() < deadline, f"no {words!r} in {file.read_text()}"
        time.sleep(0.05)


def secrets_in(directory: Path) -> None:
    """The secrets that the configuration names."""
    for name in ("component", "turn"):
        secret = directory / "secrets" / name
        secret.parent.mkdir(exist_ok=True)
        secret.write_text(f"secret of the {name}\n")
        secret.chmod(0o600)


def configure(directory: Path, base: int) -> Path:
    """Prosody's configuration."""
    recipe = RECIPE.read_text().replace("the content of secrets/component", "secret of the component")
    debian = DEBIAN.replace("DIRECTORY", str(directory))
    debian = debian.replace("C2S", str(base + 1)).replace("COMPONENT", str(base + 2))
    prosody = directory / "prosody.cfg.lua"
    prosody.write_text(debian + recipe)
    return prosody


def carillon_toml(directory: Path, base: int, xmpp: str = "") -> Path:
    """carillon's configuration, with `xmpp` in that section."""
    carillon = directory / "carillon.toml"
    carillon.write_text(
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
    return carillon


async def ask_for_a_meeting(url: str, guests: str) -> str:
    """What a guest gets from the focus, through the WebSocket of the front."""
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
        return await exchange(conference, "ask")


async def test_a_meeting_on_a_stock_prosody_with_the_recipe(tmp_path: Path) -> None:
    base = free_base_port()
    secrets_in(tmp_path)
    prosody, carillon = configure(tmp_path, base), carillon_toml(tmp_path, base)
    log = tmp_path / "carillon.log"
    run = (sys.executable, "-m", "carillon", "run", "--config", carillon)
    with (
        running("prosody", "-F", "--config", prosody, output=tmp_path / "prosody.out"),
        running(*run, output=log) as process,
    ):
        until_says(process, log, "every part answers")
        answer = await ask_for_a_meeting(f"ws://127.0.0.1:{base}/xmpp-websocket", "guest.example.org")
        assert re.search(r"""ready=["']true["']""", answer), answer
    assert "Traceback" not in log.read_text()
