"""Dino, a desktop client as Debian ships it, calls the echo test: real window, real Prosody, real bridge.

Dino wants TLS, port 5222 and an address that is not loopback: all of it runs in a network namespace.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from carillon.certificate import ensure as ensure_certificate
from carillon.files import write_private
from carillon.prosody import Prosody
from carillon.settings import Settings, parse
from tests.e2e.netns import Host, Internet

HERE = Path(__file__).parent
ADDRESS = "203.0.113.9"
SETTINGS = f"""
[xmpp]
c2s_port = 5222
[bridge]
address = ["{ADDRESS}"]
"""
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
ACCOUNT = """
CREATE TABLE account (id INTEGER PRIMARY KEY AUTOINCREMENT, bare_jid TEXT NOT NULL UNIQUE, resourcepart TEXT,
  password TEXT, alias TEXT, enabled INTEGER, roster_version TEXT, mam_earliest_synced INTEGER);
INSERT INTO account (bare_jid, resourcepart, password, alias, enabled)
  VALUES ('dave@localhost', 'dino', 'secret', '', 1);
"""
ECHO = "echo@calls.localhost/bridge"
MEASURED_S = 8.0
MESSAGE_ENTRY, CALL_BUTTON, AUDIO_CALL, VIDEO_CALL, HANG_UP = (
    (600, 660),
    (978, 28),
    (970, 84),
    (970, 112),
    (421, 475),
)
"""Where things are in a window of 1200x700, Dino's first size."""


def until(what: str, holds: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Wait for something that nobody announces."""
    deadline = time.monotonic() + timeout_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.2)
    return found


@dataclass
class House:
    """Prosody with TLS, bridge and component, in a namespace."""

    host: Host
    directory: Path
    settings: Settings
    authorities: Path

    @classmethod
    def start(cls, host: Host, directory: Path) -> House:
        directory.mkdir()
        (directory / "secrets").mkdir()
        (directory / "run").mkdir()
        for name in ("component", "turn"):
            write_private(directory / "secrets" / name, f"the secret of {name}")
        config = directory / "carillon.toml"
        config.write_text(SETTINGS)
        settings = parse(SETTINGS, config)
        certificate, key = directory / "cert.pem", directory / "cert.key"
        ensure_certificate(certificate, key, ("localhost",))
        authorities = directory / "authorities.pem"
        authorities.write_text(AUTHORITIES.read_text() + certificate.read_text())
        prosody = Prosody(directory, settings)
        prosody.configure()
        prosody.put_account("dave", "secret")
        lua = directory / "prosody.cfg.lua"
        text = lua.read_text().replace('"posix";', '"posix"; "tls";', 1)
        ssl = f'ssl = {{ certificate = "{certificate}"; key = "{key}" }}\n'
        lua.write_text(text.replace("c2s_require_encryption", ssl + "c2s_require_encryption", 1))
        house = cls(host, directory, settings, authorities)
        house.run("prosody", "-F", "--config", str(lua))
        for part in ("bridge", "component"):
            house.run(sys.executable, "-m", "carillon", part, "--config", str(config))
        until(
            "all parts connected",
            lambda: "focus.localhost" in house.log() and "calls.localhost" in house.log(),
        )
        return house

    def run(self, *argv: str) -> None:
        """Start something; the namespace ends it."""
        with (self.directory / "house.log").open("ab") as log:
            subprocess.Popen(self.host.argv(*argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self) -> str:
        return (self.directory / "house.log").read_text(errors="replace")

    def packets(self) -> tuple[float, int, int]:
        """The time, and the packets that the bridge has received and sent."""
        url = f"http://{self.settings.bridge.rest}/colibri/stats"
        stats = json.loads(self.host.inside(lambda: urllib.request.urlopen(url, timeout=5).read()))
        return time.monotonic(), stats["total_packets_received"], stats["total_packets_sent"]

    def rates(self) -> tuple[float, float]:
        """Packets per second that the bridge receives and sends, measured now."""
        begin, received, sent = self.packets()
        time.sleep(MEASURED_S)
        end, received_then, sent_then = self.packets()
        return (received_then - received) / (end - begin), (sent_then - sent) / (end - begin)


@dataclass
class Dino:
    """A running Dino, used by mouse and keyboard."""

    home: Path

    def log(self) -> str:
        """Every stanza so far."""
        log = self.home / "dino.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def click(self, place: tuple[int, int]) -> None:
        self._xdotool("mousemove", *map(str, place), "click", "1")

    def type(self, text: str) -> None:
        self._xdotool("type", "--delay", "60", text)
        self._xdotool("key", "Return")

    def _xdotool(self, *argv: str) -> None:
        display = f":{(self.home / 'display').read_text().strip()}"
        subprocess.run(["xdotool", *argv], check=True, env={**os.environ, "DISPLAY": display}, timeout=10)

    def greet(self) -> None:
        """Write to the echo test until it has answered: only then is there a button to call it."""

        def answered() -> bool:
            lines = self.log().splitlines()
            if any("type='result'" in line and f"from='{ECHO}'" in line for line in lines):
                return True
            self.click(MESSAGE_ENTRY)
            self.type("hello")
            time.sleep(2)
            return False

        until("the display", (self.home / "display").exists)
        until("Dino is online", lambda: "jabber:iq:roster" in self.log())
        time.sleep(2)
        until("the echo test has shown itself", answered)

    def call(self, kind: tuple[int, int]) -> None:
        """Call until the call is accepted."""
        before = self.log().count("action='session-accept'")

        def accepted() -> bool:
            if self.log().count("action='session-initiate'") <= before:
                self.click(CALL_BUTTON)
                time.sleep(1.5)
                self.click(kind)
                time.sleep(3)
            return self.log().count("action='session-accept'") > before

        until("the call is accepted", accepted)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with Internet() as internet:
        yield House.start(internet.host("desk", ADDRESS), tmp_path / "house")


@pytest.fixture
def dino(house: House, tmp_path: Path) -> Dino:
    home = tmp_path / "dino"
    (home / "share" / "dino").mkdir(parents=True)
    with sqlite3.connect(home / "share" / "dino" / "dino.db") as database:
        database.executescript(ACCOUNT)
    script = (str(HERE / "dino.sh"), str(home), str(house.authorities), "xmpp:echo@calls.localhost?message")
    house.run("unshare", "-m", "dbus-run-session", *script)
    return Dino(home)


@pytest.mark.dino
@pytest.mark.timeout(300)
def test_dino_hears_itself(house: House, dino: Dino) -> None:
    dino.greet()
    dino.call(AUDIO_CALL)
    # Made the DTLS client before ICE is through, Dino may wait out its own time-out of a minute first.
    until("media flows", lambda: house.packets()[1] > 50, 90)
    # The first seconds are no measure, and a machine that is busy with something else gets a second chance.
    until("45 packets per second both ways", lambda: min(house.rates()) >= 45)
    assert "second ssrc" not in dino.log().lower()
    dino.click(HANG_UP)
    until("the call is over", lambda: "a call is over" in house.log())
    dino.call(VIDEO_CALL)
    until("both transports are connected", lambda: house.log().count("endpoint connected") == 3, 100)
    dino.click(HANG_UP)
    until("the call is over", lambda: house.log().count("a call is over") == 2)
    until("Dino is told the end", lambda: dino.log().count("<{urn:xmpp:jingle-message:0}:finish") == 2)
    assert dino.log().count("jingle-message:0}:proceed") == 2
