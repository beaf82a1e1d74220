"""Two Pidgins, as Debian ships them, in two homes behind NAT: files go through the proxy that they find.

Each runs in a network namespace of its own, with a session bus by which the test tells it what a person would
click (libpurple's D-Bus interface); the server is in a third one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from carillon.control import ask
from tests.carillon.xmpp_login import Stream
from tests.dev_server import ON_BOTH_SERVERS, DevServer
from tests.e2e.netns import Host, Internet

T = TypeVar("T")

SERVER = "203.0.113.2"
WAIT_S = 60.0
"""For each thing, on a machine that may be busy."""
SIZES = ((5 << 20) + 4097, 12289)
"""Of a file from Ann to Bob, and of one from Bob to Ann."""
PURPLE = "im.pidgin.purple.Purple"
PREFERENCES = """<?xml version='1.0'?>
<pref version='1' name='/'>
  <pref name='purple'><pref name='network'><pref name='map_ports' type='bool' value='0'/></pref></pref>
  <pref name='pidgin'><pref name='plugins'>
    <pref name='loaded' type='pathlist'><item value='PLUGIN'/></pref>
  </pref></pref>
  <pref name='plugins'><pref name='core'><pref name='core-plugin_pack-autoaccept'>
    <pref name='path' type='string' value='DOWNLOADS'/>
    <pref name='newdir' type='bool' value='0'/>
    <pref name='notify' type='bool' value='0'/>
  </pref></pref></pref>
</pref>
"""
"""The plugin is Pidgin's own: it takes files of chosen people without asking."""
FOUND = "Discovered bytestream proxy server: jid='proxy.localhost'"
"""How Pidgin's log says it."""
TAKE = 1
"""What the plugin's setting of a person is then."""
ACCOUNT = """<?xml version='1.0'?>
<account version='1.0'>
  <account>
    <protocol>prpl-jabber</protocol>
    <name>NAME@localhost/pidgin</name>
    <password>secret</password>
    <settings>
      <setting name='connect_server' type='string'>HOST</setting>
      <setting name='port' type='int'>PORT</setting>
      <setting name='connection_security' type='string'>opportunistic_tls</setting>
      <setting name='ft_proxies' type='string'></setting>
    </settings>
    <settings ui='gtk-gaim'><setting name='auto-login' type='bool'>1</setting></settings>
  </account>
</account>
"""
"""No proxy is named here."""
FROM_OUTSIDE = """
table ip clients {
  chain prerouting { type nat hook prerouting priority -100; tcp dport PORT dnat to 127.0.0.1; }
}
"""
"""The XMPP server of `carillon dev` listens on loopback."""
QUERY_ROSTER = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>"


class Pidgin:
    """A Pidgin with an account on the server; the namespace ends it."""

    def __init__(self, host: Host, home: Path, name: str, port: int) -> None:
        self.jid = f"{name}@localhost"
        self._home = home
        self.downloads = home / "downloads"
        self.downloads.mkdir(parents=True)
        words = {"NAME": name, "HOST": SERVER, "PORT": str(port), "DOWNLOADS": str(self.downloads)}
        (words["PLUGIN"],) = map(str, Path("/usr/lib").glob("*/purple-2/autoaccept.so"))
        for file, text in (("prefs.xml", PREFERENCES), ("accounts.xml", ACCOUNT)):
            (home / file).write_text(re.sub("|".join(words), lambda word: words[word[0]], text))
        (home / "pidgin.log").touch()
        script = str(Path(__file__).with_name("pidgin.sh"))
        subprocess.Popen(host.argv(script, str(home)), stdin=subprocess.DEVNULL)

    def _call(self, function: str, *arguments: int | str) -> list[int]:
        """Call a function of libpurple; the numbers that it gives, [] if it cannot."""
        typed = [f"{'int32' if isinstance(one, int) else 'string'}:{one}" for one in arguments]
        to = (f"--dest={PURPLE}Service", "/im/pidgin/purple/PurpleObject", f"{PURPLE}Interface.{function}")
        done = subprocess.run(
            ("dbus-send", "--session", "--print-reply", *to, *typed),
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self._home}/bus"},
        )
        return [int(number) for number in re.findall(r"int32 (\d+)", done.stdout)]

    def _account(self) -> list[int]:
        accounts = self._call("PurpleAccountsGetAllActive")
        return accounts if accounts and self._call("PurpleAccountIsConnected", *accounts) == [1] else []

    def _online(self, account: int, jid: str) -> list[int]:
        """The entry of somebody who is online in the list of contacts."""
        found = [buddy for buddy in self._call("PurpleFindBuddy", account, jid) if buddy]
        presence = [one for buddy in found for one in self._call("PurpleBuddyGetPresence", buddy)]
        return found if presence and self._call("PurplePresenceIsOnline", *presence) == [1] else []

    def sees(self, other: Pidgin) -> int:
        """Wait until the other one is shown as online, then take files of theirs; the own connection."""
        (account,) = self._until("online", self._account)
        buddy = self._until(f"sees {other.jid}", lambda: self._online(account, other.jid))
        self._until("has found the proxy", lambda: FOUND in self._log())
        self._call("PurpleBlistNodeSetInt", *self._call("PurpleBuddyGetContact", *buddy), "autoaccept", TAKE)
        (connection,) = self._call("PurpleAccountGetConnection", account)
        return connection

    def send(self, connection: int, receiver: Pidgin, data: bytes) -> bytes:
        """Send a file of this content to somebody who takes it; what they have received."""
        file = self._home / f"{len(data)} bytes"
        file.write_bytes(data)
        self._call("ServSendFile", connection, f"{receiver.jid}/pidgin", str(file))

        def received() -> list[Path]:
            return [one for one in receiver.downloads.iterdir() if one.stat().st_size >= len(data)]

        (found,) = self._until("the file has arrived", received)
        return found.read_bytes()

    def _until(self, what: str, holds: Callable[[], T]) -> T:
        """Wait for something that nobody announces; fails with what Pidgin says."""
        deadline = time.monotonic() + WAIT_S
        while not (found := holds()):
            assert time.monotonic() < deadline, f"{self.jid} not in time: {what}\n{self._log()[-8000:]}"
            time.sleep(0.1)
        return found

    def _log(self) -> str:
        return (self._home / "pidgin.log").read_text(errors="replace")


def befriend(c2s: tuple[str, int]) -> None:
    """Have Ann and Bob see each other's presence."""
    with Stream(c2s, "localhost") as ann, Stream(c2s, "localhost") as bob:
        for name, stream in (("ann", ann), ("bob", bob)):
            stream.scram(name, "secret")
            stream.bind()
            stream.ask(f"{QUERY_ROSTER}<presence/>", "</iq>")
        for asker, name, asked, other in ((ann, "ann", bob, "bob"), (bob, "bob", ann, "ann")):
            asker.ask(f"<presence type='subscribe' to='{other}@localhost'/>", "ask='subscribe'")
            asked.ask("", "type='subscribe'")
            asked.ask(f"<presence type='subscribed' to='{name}@localhost'/>{QUERY_ROSTER}", "id='roster'")


@pytest.mark.timeout(240)
@ON_BOTH_SERVERS
def test_files_go_from_home_to_home(tmp_path: Path, server: str) -> None:
    with Internet() as net:
        host = net.host("server", SERVER)
        house = DevServer(
            tmp_path / "dev",
            *("--server", server, "--address", SERVER, "--user", "ann:secret", "--user", "bob:secret"),
            command=host.argv(sys.executable, "-m", "carillon", "dev"),
        )
        with house:
            _, port = house.endpoints["c2s"]
            host.run("sysctl", "-qw", "net.ipv4.conf.wan.route_localnet=1")
            host.rules(FROM_OUTSIDE, PORT=str(port))
            host.inside(lambda: befriend(("127.0.0.1", port)))
            ann, bob = (Pidgin(net.behind_nat(name), tmp_path / name, name, port) for name in ("ann", "bob"))
            connections = ann.sees(bob), bob.sees(ann)
            for size, connection, sender, receiver in zip(
                SIZES, connections, (ann, bob), (bob, ann), strict=True
            ):
                data = random.Random(size).randbytes(size)
                received = sender.send(connection, receiver, data)
                assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
            _, metrics = asyncio.run(ask(house.endpoints["control"]["relay"], "/metrics"))
            (moved,) = re.findall(r"^socks5_moved_bytes_total (\S+)$", metrics, re.MULTILINE)
            assert float(moved) == sum(SIZES)
