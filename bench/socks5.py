"""What a byte costs in the bytestream proxy, beside Prosody's own: `python -m bench.socks5`.

A `carillon dev` and a second Prosody with mod_proxy65, one after the other, asked by guests over XMPP. Sender
and receiver are this process; what counts is the CPU of the process that moves the bytes. Every case prints a
line of JSON for each proxy, "compared" puts them side by side.

* "moved": megabytes through one stream and through several at once: CPU seconds per GiB, Gbit/s.
* "set-up": both SOCKS5 handshakes, the activation, and one byte there; one after the other.
* "tails": transfers of sizes around a buffer's, after which nothing follows: how many never arrived whole.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Final

from bench.figures import Goal, Line, finished, spread
from carillon.settings import Settings, load
from tests.component.prosody import Client, running_prosody
from tests.dev_server import DevServer
from tests.ports import free_port

KINDS: Final = ("carillon", "prosody")
MIB: Final = 1 << 20
GIB: Final = 1 << 30
SIZES: Final = (1, 4097, 5000, 8192, 12289)
LOST_AFTER_S: Final = 1.0
"""A tail that has not come over loopback by then does not come."""
_CPUCLOCK_SCHED: Final = (
    2  # how clock_getcpuclockid(3) names the CPU clock of another process, to the nanosecond
)
UNLIMITED: Final = (
    "socks5.connections_per_second=10000",
    "socks5.max_connections_per_address=10000",
    "socks5.max_streams_per_user=1000",
)
PAIRS_OF_GUEST: Final = 20
"""Then another guest asks: ours lets nobody activate more than a handful of streams at once."""
ATTEMPT_S: Final = 30.0
BLOCK: Final = os.urandom(MIB)
PROXY65: Final = """
Component "{host}" "proxy65" {{}}
proxy65_ports = {{ {port} }}
proxy65_interfaces = {{ "127.0.0.1" }}
proxy65_address = "127.0.0.1"
"""

Pair = tuple[socket.socket, socket.socket]


@dataclass(frozen=True)
class Plan:
    """How much of each."""

    megabytes: int = 1024
    """MiB through our proxy, in each case of "moved"; through the other a quarter of it."""
    streams: int = 10
    """Streams at once."""
    setups: int = 100
    tails: int = 8
    """Transfers of each size."""


@dataclass
class Proxy:
    """A proxy to be measured, and the guests that use it."""

    kind: str
    jid: str
    port: int
    pid: int
    settings: Settings
    guests: list[Client] = field(default_factory=list)
    pairs: int = 0

    async def pair(self) -> Pair:
        """Sender and receiver of a new stream."""
        if self.pairs % PAIRS_OF_GUEST == 0:
            self.guests.append(await Client.login(self.settings))
        self.pairs += 1
        guest, sid, target = self.guests[-1], f"bench-{self.pairs}", "target@localhost/bench"
        digest = hashlib.sha1(f"{sid}{guest.jid}{target}".encode()).hexdigest()
        receiver = await self._connected(digest)
        sender = await self._connected(digest)
        query = (
            "<query xmlns='http://jabber.org/protocol/bytestreams' sid='{}'><activate>{}</activate></query>"
        )
        answer = await guest.request(query.format(sid, target), sid, "set", self.jid)
        assert answer.get("type") == "result", answer.get("type")
        for one in (sender, receiver):
            one.settimeout(ATTEMPT_S)
        return sender, receiver

    async def close(self) -> None:
        """Let the guests go."""
        for guest in self.guests:
            await guest.close()

    async def _connected(self, digest: str) -> socket.socket:
        loop = asyncio.get_running_loop()
        one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(one, ("127.0.0.1", self.port))
        await loop.sock_sendall(one, b"\5\1\0")
        await _read(one, 2)
        await loop.sock_sendall(one, b"\5\1\0\3\x28" + digest.encode() + b"\0\0")
        reply = await _read(one, 47)
        assert reply[1] == 0, reply[1]
        return one

    def cpu_s(self) -> float:
        """CPU seconds of the process that moves the bytes."""
        return time.clock_gettime(~self.pid << 3 | _CPUCLOCK_SCHED)


async def _read(one: socket.socket, size: int) -> bytes:
    found = b""
    async with asyncio.timeout(ATTEMPT_S):
        while len(found) < size:
            more = await asyncio.get_running_loop().sock_recv(one, size - len(found))
            assert more, "refused"
            found += more
    return found


@asynccontextmanager
async def _proxy(kind: str, directory: Path) -> AsyncIterator[Proxy]:
    await asyncio.to_thread(directory.mkdir)
    if kind == "carillon":
        server = DevServer(directory / "dev", *(word for text in UNLIMITED for word in ("--set", text)))
        await asyncio.to_thread(server.start)
        try:
            found = server.endpoints
            configured = load(Path(found["config"]))
            proxy = Proxy(kind, found["proxy"], found["socks5"][1], found["pids"]["relay"], configured)
            yield proxy
            await proxy.close()
        finally:
            await asyncio.to_thread(server.stop)
        return
    port = free_port()
    host = "proxy65.localhost"
    async with running_prosody(directory, PROXY65.format(host=host, port=port)) as prosody:
        assert prosody.process is not None
        proxy = Proxy(kind, host, port, prosody.process.pid, prosody.settings)
        yield proxy
        await proxy.close()


async def _moved(proxy: Proxy, megabytes: int, streams: int) -> Line:
    pairs = [await proxy.pair() for _ in range(streams)]
    each = max(1, megabytes // streams)
    before, began = proxy.cpu_s(), time.monotonic()
    threads = [Thread(target=_send, args=(sender, each)) for sender, _ in pairs]
    threads += [Thread(target=_receive, args=(receiver, each * MIB)) for _, receiver in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    seconds, cpu_s = time.monotonic() - began, proxy.cpu_s() - before
    moved = each * streams * MIB
    return {
        "case": "moved",
        "kind": proxy.kind,
        "streams": streams,
        "mib": moved // MIB,
        "cpu_s_per_gib": round(cpu_s * GIB / moved, 3),
        "gbit_s": round(moved * 8 / seconds / 1e9, 2),
    }


def _send(sender: socket.socket, blocks: int) -> None:
    for _ in range(blocks):
        sender.sendall(BLOCK)
    sender.close()  # the end makes Prosody give up the rest that it would keep


def _receive(receiver: socket.socket, size: int) -> None:
    buffer, got = bytearray(MIB), 0
    while more := receiver.recv_into(buffer, MIB):
        got += more
    receiver.close()
    assert got == size, f"{got} of {size} bytes arrived"


async def _set_up(proxy: Proxy, number: int) -> Line:
    times, loop = [], asyncio.get_running_loop()
    for _ in range(number):
        if proxy.pairs % PAIRS_OF_GUEST == 0:
            await proxy.pair()  # a guest logs in
        began = time.monotonic()
        sender, receiver = await proxy.pair()
        for one in (sender, receiver):
            one.setblocking(False)
        await loop.sock_sendall(sender, b"x")
        await _read(receiver, 1)
        times.append((time.monotonic() - began) * 1000)
        sender.close()
        receiver.close()
    return {"case": "set-up", "kind": proxy.kind, "ms": spread(times)}


async def _tails(proxy: Proxy, number: int) -> Line:
    lost = dict.fromkeys(map(str, SIZES), 0)
    for size in SIZES:
        for _ in range(number):
            sender, receiver = await proxy.pair()
            sender.sendall(BLOCK[:size])
            lost[str(size)] += not await asyncio.to_thread(_arrives, receiver, BLOCK[:size])
            sender.close()
            receiver.close()
    return {
        "case": "tails",
        "kind": proxy.kind,
        "tries": number,
        "lost": lost,
        "lost_all": sum(lost.values()),
    }


def _arrives(receiver: socket.socket, data: bytes) -> bool:
    receiver.settimeout(LOST_AFTER_S)
    found = b""
    try:
        while len(found) < len(data):
            found += receiver.recv(len(data))
    except TimeoutError:
        return False
    return found == data


async def _lines(kind: str, plan: Plan, directory: Path) -> AsyncIterator[Line]:
    ours = kind == "carillon"
    megabytes = plan.megabytes if ours else plan.megabytes // 4
    async with _proxy(kind, directory / kind) as proxy:
        for streams in (1, plan.streams):
            limit = 0.30 if streams == 1 else 0.35
            goals = (Goal("cpu_s_per_gib", limit),) if ours else ()
            yield finished(await _moved(proxy, megabytes, streams), goals)
        yield finished(await _set_up(proxy, plan.setups), (Goal("ms.p95", 20),) if ours else ())
        yield finished(await _tails(proxy, plan.tails), (Goal("lost_all", 1),) if ours else ())


def _compared(lines: list[Line]) -> Line:
    """The other proxy's figures by ours: how many times better."""

    def figure(kind: str, case: str, streams: int | None = None) -> Line:
        return next(
            line
            for line in lines
            if (line["kind"], line["case"], line.get("streams")) == (kind, case, streams)
        )

    found: Line = {"case": "compared"}
    for streams in sorted({line["streams"] for line in lines if "streams" in line}):
        ours, other = (figure(kind, "moved", streams)["cpu_s_per_gib"] for kind in KINDS)
        found[f"cpu_{streams}"] = round(other / ours, 1) if ours else None
    ours, other = (figure(kind, "set-up")["ms"]["median"] for kind in KINDS)
    found["set_up"] = round(other / ours, 1)
    return found


async def run(plan: Plan) -> AsyncIterator[Line]:
    """Run the plan; gives each case's line when it is done."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="carillon-bench-") as directory:
        for kind in KINDS:
            async for line in _lines(kind, plan, Path(directory)):
                lines.append(line)
                yield line
    yield _compared(lines)


async def _print(plan: Plan) -> None:
    async for line in run(plan):
        print(json.dumps(line), flush=True)


def main() -> None:
    """The command line."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="bench.socks5", description=(__doc__ or "").partition("\n")[0])
    for name, text in (
        ("megabytes", "MiB per case through our proxy"),
        ("streams", "streams at once"),
        ("setups", "streams that are only set up"),
        ("tails", "transfers of each size"),
    ):
        default = getattr(plan, name)
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} (default: {default})")
    asyncio.run(_print(Plan(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
