"""An internet in network namespaces: hosts, NAT, firewalls, and lines that lose and delay. Takes root.

with Internet() as net:
    server = net.host("server", "203.0.113.2", "2001:db8::2")
    home = net.behind_nat("home")
    subprocess.run(home.argv("ping", "-c", "1", server.ipv4))

Everything is removed at the end, the processes in it too.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import itertools
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

COMMAND_TIMEOUT_S = 10.0
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
LONGEST_FRAME = 2048
MAX_WAITING = 2000
"""Frames on a slow line in one direction; more are dropped, as a router's queue does."""

MASQUERADE = """
table ip nat {
  chain postrouting { type nat hook postrouting priority 100; oifname "wan" masquerade; }
}
"""
ONE_TO_ONE = """
table ip nat {
  chain prerouting { type nat hook prerouting priority -100; ip daddr PUBLIC dnat to PRIVATE; }
  chain postrouting { type nat hook postrouting priority 100; ip saddr PRIVATE snat to PUBLIC; }
}
"""
ONLY_TCP = """
table ip filter {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    tcp dport { PORTS } accept
  }
}
"""
CUT = """
table inet cut {
  chain forward { type filter hook forward priority -10; policy drop; }
  chain input { type filter hook input priority -10; policy drop; }
  chain output { type filter hook output priority -10; policy drop; }
}
"""


def run(*argv: str, stdin: str = "") -> str:
    """What a command prints. Raises RuntimeError with its complaint when it fails."""
    done = subprocess.run(
        argv, check=False, input=stdin, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}\n{stdin}")
    return done.stdout


def remove(namespace: str) -> None:
    """End what runs in a namespace, and the namespace itself."""
    for pid in run("ip", "netns", "pids", namespace).split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    run("ip", "netns", "delete", namespace)


def remove_left_overs() -> None:
    """Remove the namespaces of runs that were killed."""
    for line in run("ip", "netns", "list").splitlines():
        ours = re.match(r"carillon(\d+)-", line)
        if ours and not Path("/proc", ours[1]).exists():
            remove(line.split()[0])


@dataclass(frozen=True)
class Line:
    """What a host's line does to each frame, in each direction."""

    delay_s: float
    loss: float


class Host:
    """A namespace, with the name that the kernel knows it by."""

    def __init__(self, name: str, ipv4: str = "", ipv6: str = "") -> None:
        self.name = name
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")
        # An address that becomes valid a second later is a change of network: Chromium drops what it loads.
        self.run(
            "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.addr_gen_mode=1"
        )

    def argv(self, *argv: str) -> tuple[str, ...]:
        """The command line that runs `argv` here."""
        return ("ip", "netns", "exec", self.name, *argv)

    def run(self, *argv: str, stdin: str = "") -> None:
        """Run a command here."""
        run(*self.argv(*argv), stdin=stdin)

    def inside(self, make: Callable[[], T]) -> T:
        """Call `make` in a thread that is here: a socket belongs to the namespace it is made in."""

        def enter() -> T:
            with Path("/run/netns", self.name).open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return make()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(enter).result()

    def listener(self, ip: str, port: int) -> socket.socket:
        """A listening TCP socket."""
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        return self.inside(lambda: socket.create_server((ip, port), family=family))

    def address(self, address: str, device: str) -> None:
        """Give a device an address, with its prefix length."""
        self.run("ip", "address", "add", address, "dev", device, *(("nodad",) if ":" in address else ()))

    def rules(self, ruleset: str, **words: str) -> None:
        """Load rules of nftables after putting `words` into their places."""
        for word, value in words.items():
            ruleset = ruleset.replace(word, value)
        self.run("nft", "-f", "-", stdin=ruleset)

    def cut(self) -> None:
        """Nothing comes in, goes out or passes through any more."""
        self.rules(CUT)

    def mend(self) -> None:
        """End `cut`."""
        self.run("nft", "delete", "table", "inet", "cut")

    def close(self) -> None:
        """End what runs here, and the namespace."""
        remove(self.name)


_internets = itertools.count()


class Internet:
    """One segment, 203.0.113.0/24 and 2001:db8::/64, that all hosts with public addresses are attached to."""

    def __init__(self) -> None:
        self._prefix = f"carillon{os.getpid()}-{next(_internets)}"
        self._numbers = itertools.count()
        self._public = itertools.count(100)
        self._exit = ExitStack()
        self._switch: Host

    def __enter__(self) -> Internet:
        remove_left_overs()
        try:
            self._switch = self._host("switch")
            self._switch.run("ip", "link", "add", "br0", "type", "bridge")
            self._switch.run("ip", "link", "set", "br0", "up")
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def _host(self, name: str, ipv4: str = "", ipv6: str = "") -> Host:
        host = Host(f"{self._prefix}-{name}", ipv4, ipv6)
        self._exit.callback(host.close)
        return host

    def public(self) -> str:
        """A public address that nobody has yet."""
        return f"203.0.113.{next(self._public)}"

    def host(self, name: str, ipv4: str = "", ipv6: str = "", line: Line | None = None) -> Host:
        """A host with public addresses."""
        host = self._host(name, ipv4, ipv6)
        self.attach(host, line)
        return host

    def attach(self, host: Host, line: Line | None = None) -> None:
        """Connect a host to the segment by its device `wan`."""
        port = f"p{next(self._numbers)}"
        if line is None:
            self._cable(self._switch, port, host, "wan")
        else:
            ends = [
                one.inside(lambda device=device: _tap(device))  # type: ignore[misc]
                for one, device in ((self._switch, port), (host, "wan"))
            ]
            self._exit.callback(SlowLine(line, ends[0], ends[1]).close)
            for one, device in ((self._switch, port), (host, "wan")):
                one.run("ip", "link", "set", device, "up")
        self._switch.run("ip", "link", "set", port, "master", "br0")
        if host.ipv4:
            host.address(f"{host.ipv4}/24", "wan")
        if host.ipv6:
            host.address(f"{host.ipv6}/64", "wan")

    def _cable(self, one: Host, device: str, other: Host, other_device: str) -> None:
        peer = ("peer", "name", other_device, "netns", other.name)
        one.run("ip", "link", "add", device, "type", "veth", *peer)
        one.run("ip", "link", "set", device, "up")
        other.run("ip", "link", "set", other_device, "up")

    def behind_nat(self, name: str, only_tcp: tuple[int, ...] = ()) -> Host:
        """A host at 192.168.7.2 behind a router with masquerade, and maybe a firewall before TCP ports."""
        host, router = self._behind(name, "192.168.7")
        router.rules(MASQUERADE)
        if only_tcp:
            router.rules(ONLY_TCP, PORTS=", ".join(map(str, only_tcp)))
        return host

    def behind_static_mapping(self, name: str, public: str, ipv6: str = "") -> Host:
        """A host at 10.9.0.2 whose router maps all of `public` to it; its IPv6 is on the segment itself."""
        host, router = self._behind(name, "10.9.0")
        router.address(f"{public}/32", "wan")
        router.rules(ONE_TO_ONE, PUBLIC=public, PRIVATE=host.ipv4)
        if ipv6:
            host.ipv6, ipv4, host.ipv4 = ipv6, host.ipv4, ""
            self.attach(host)
            host.ipv4 = ipv4
        return host

    def _behind(self, name: str, network: str) -> tuple[Host, Host]:
        host = self._host(name, f"{network}.2")
        router = self._host(f"{name}-router", self.public())
        self.attach(router)
        self._cable(router, "lan", host, "eth0")
        router.address(f"{network}.1/24", "lan")
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        host.address(f"{host.ipv4}/24", "eth0")
        host.run("ip", "route", "add", "default", "via", f"{network}.1")
        return host, router


def _tap(device: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
    return end


class SlowLine:
    """Carries frames between two TAP devices as `line` says: like tc netem, which not every kernel has."""

    def __init__(self, line: Line, one: int, other: int) -> None:
        self._line = line
        self._other = {one: other, other: one}
        self._random = random.Random(1)
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._order = itertools.count()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        while not self._stop.is_set():
            due = self._waiting[0][0] - time.monotonic() if self._waiting else 0.1
            ready, _, _ = select.select(list(self._other), [], [], max(0.0, min(due, 0.1)))
            for end in ready:
                self._take(end)
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, end, frame = heapq.heappop(self._waiting)
                with suppress(OSError):  # the device is down, or full
                    os.write(end, frame)

    def _take(self, end: int) -> None:
        for _ in range(64):
            try:
                frame = os.read(end, LONGEST_FRAME)
            except OSError:
                return
            if self._random.random() >= self._line.loss and len(self._waiting) < 2 * MAX_WAITING:
                due = time.monotonic() + self._line.delay_s
                heapq.heappush(self._waiting, (due, next(self._order), self._other[end], frame))

    def close(self) -> None:
        """Stop; the devices go with their descriptors."""
        self._stop.set()
        self._thread.join()
        for end in self._other:
            os.close(end)
