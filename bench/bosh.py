"""What a round trip over BOSH costs, beside Prosody's own: `python -m bench.bosh`.

One private Prosody with its mod_bosh, and our front before it. The same clients do the same with each, in
turns: guests log in, some of them ping the server without a pause, each with one empty request parked as does
strophe.js, the others stay idle. CPU is user and system time of the processes, per round trip, without that
of the clients. Every turn prints one line of JSON, the last line compares the medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp

from bench.figures import Goal, Line, finished, spread
from bench.processes import usage
from carillon.prosody import Prosody
from carillon.settings import Settings, parse
from tests.bosh.bosh_client import BoshClient

GOALS = (Goal("front_us", 45), Goal("total_by_prosody", 0.6), Goal("requests_per_trip", 1.2))


@dataclass(frozen=True)
class Plan:
    """How much of each."""

    sessions: int = 50
    pinging: int = 20
    seconds: float = 5.0
    turns: int = 3
    """How often each is measured; the medians are compared."""


@dataclass
class Trips:
    """What the clients have seen in one turn."""

    times_ms: list[float]
    requests: int = 0


class Pinger:
    """One client that pings without a pause."""

    def __init__(self, client: BoshClient, trips: Trips) -> None:
        self._client = client
        self._trips = trips
        self._open: list[asyncio.Task[str]] = []
        """Requests without a response, in order."""

    async def run(self, until: float) -> None:
        """Ping until this time."""
        self._post("")
        while time.perf_counter() < until:
            began = time.perf_counter()
            number = secrets.token_hex(4)
            self._post(
                f"<iq xmlns='jabber:client' type='get' id='{number}'><ping xmlns='urn:xmpp:ping'/></iq>"
            )
            while number not in await self._open.pop(0):
                if not self._open:  # the answer has taken longer than a request waits
                    self._post("")
            self._trips.times_ms.append((time.perf_counter() - began) * 1000)
            if not self._open:
                self._post("")
        self._client.rid += 1
        for task in self._open:
            task.cancel()

    def _post(self, content: str) -> None:
        self._trips.requests += 1
        self._open.append(asyncio.create_task(self._client.post(content)))


async def turn(url: str, domain: str, pids: Mapping[str, int], plan: Plan) -> Line:
    """Measure one of the two."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        clients = [BoshClient(http, url) for _ in range(plan.sessions)]
        before = usage(pids)
        for client in clients:
            await client.login(domain)
        opened = usage(pids)
        trips = Trips([])
        until = time.perf_counter() + plan.seconds
        await asyncio.gather(*(Pinger(one, trips).run(until) for one in clients[: plan.pinging]))
        after = usage(pids)
    count = len(trips.times_ms)
    return {
        **{f"{name}_us": round((after.cpu_s[name] - opened.cpu_s[name]) / count * 1e6, 1) for name in pids},
        "total_us": round(sum(after.cpu_s[name] - opened.cpu_s[name] for name in pids) / count * 1e6, 1),
        "login_ms": round(sum(opened.cpu_s[n] - before.cpu_s[n] for n in pids) / plan.sessions * 1e3, 2),
        "requests_per_trip": round(trips.requests / count, 2),
        "trip_ms": spread(trips.times_ms),
    }


async def measure(plan: Plan, directory: Path) -> list[Line]:
    """All turns, and the comparison."""
    bosh_port, settings = _free_port(), _settings(directory)
    with _prosody(settings, bosh_port) as prosody, _front(settings) as front:
        theirs = f"http://127.0.0.1:{bosh_port}/http-bind"
        ours = f"{settings.front.public_url}/http-bind"
        await asyncio.gather(_answers(theirs), _answers(ours))
        found: dict[str, list[Line]] = {"prosody": [], "carillon": []}
        for _ in range(plan.turns):
            for case, url, pids in (
                ("prosody", theirs, {"upstream": prosody}),
                ("carillon", ours, {"front": front, "upstream": prosody}),
            ):
                line = await turn(url, settings.xmpp.guest_domain, pids, plan)
                found[case].append(line)
                print(json.dumps({"case": case, **line}), flush=True)
    return [_compared(found["prosody"], found["carillon"])]


def _compared(theirs: list[Line], ours: list[Line]) -> Line:
    def middle(lines: list[Line], name: str) -> float:
        return float(median(line[name] for line in lines))

    line: Line = {
        "case": "compared",
        "front_us": middle(ours, "front_us"),
        "total_us": middle(ours, "total_us"),
        "prosody_us": middle(theirs, "total_us"),
        "total_by_prosody": round(middle(ours, "total_us") / middle(theirs, "total_us"), 2),
        "front_by_prosody": round(middle(ours, "front_us") / middle(theirs, "total_us"), 2),
        "requests_per_trip": middle(ours, "requests_per_trip"),
    }
    return finished(line, GOALS)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _settings(directory: Path) -> Settings:
    for name in ("component", "turn"):
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16))
    text = (
        f'[xmpp]\nc2s_port = {_free_port()}\ncomponent_port = {_free_port()}\nsecret_file = "component"\n'
        f'[turn]\nsecret_file = "turn"\n[front]\nport = {_free_port()}\ncontrol = ""\n'
        '[log]\nlevel = "warning"\n'
    )
    path = directory / "carillon.toml"
    path.write_text(text)
    return parse(text, path)


@contextmanager
def _prosody(settings: Settings, bosh_port: int) -> Iterator[int]:
    """A private Prosody that also serves BOSH itself; its process id."""
    directory = settings.path.parent / "xmpp"
    directory.mkdir()
    server = Prosody(directory, settings)
    server.configure()
    configuration = directory / "prosody.cfg.lua"
    text = configuration.read_text()
    text = text.replace(
        "http_ports = {}", f'http_ports = {{ {bosh_port} }}\nhttp_interfaces = {{ "127.0.0.1" }}'
    )
    text = text.replace("modules_enabled = {", 'modules_enabled = { "bosh";', 1)
    configuration.write_text(text)
    with _running(server.program().argv, directory / "out") as pid:
        yield pid


@contextmanager
def _front(settings: Settings) -> Iterator[int]:
    options = ("--config", str(settings.path), "--set", "operation.drain_s=0")
    command = (sys.executable, "-m", "carillon", "front", *options)
    with _running(command, settings.path.parent / "front.out") as pid:
        yield pid


@contextmanager
def _running(argv: tuple[str, ...], output: Path) -> Iterator[int]:
    with output.open("wb") as file, subprocess.Popen(argv, stdout=file, stderr=file) as process:
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(10)


async def _answers(url: str) -> None:
    """Wait until something answers there."""
    async with asyncio.timeout(30), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


def main() -> None:
    """The command line."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="bench.bosh", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=plan.sessions, help="sessions (default: 50)")
    parser.add_argument("--pinging", type=int, default=plan.pinging, help="of them pinging (default: 20)")
    parser.add_argument("--seconds", type=float, default=plan.seconds, help="of each turn (default: 5)")
    parser.add_argument("--turns", type=int, default=plan.turns, help="turns of each (default: 3)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carillon-bench-") as directory:
        plan = Plan(given.sessions, given.pinging, given.seconds, given.turns)
        for line in asyncio.run(measure(plan, Path(directory))):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
