"""The bytestream proxy over real sockets: pairs, third parties, floods, and what is counted."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from carillon.part import PartError
from relay import main
from relay.socks5 import mover as mover_module
from relay.socks5 import proxy as proxy_module
from tests.ports import free_port
from tests.relay.socks5_client import GREETING, Socks5Client, connect_request, running_proxy
from tests.relay.turn_client import running_relay, settings

DIGEST = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mover_module, "SWEEP_S", 0.02)
    monkeypatch.setattr(proxy_module, "STOP_GRACE_S", 0.2)
    monkeypatch.setattr(proxy_module, "TICK_S", 0.05)


async def test_a_stream_carries_bytes_both_ways_and_is_told_of(tmp_path: Path) -> None:
    async with running_proxy(tmp_path) as proxy:
        first, second = await proxy.pair(DIGEST, initiator="ann@x", target="bob@x")
        first.send(b"question")
        assert await second.read(8) == b"question"
        second.send(b"answer")
        assert await first.read(6) == b"answer"
        (stream,) = await proxy.streams()
        assert (stream["initiator"], stream["target"], stream["bytes"]) == ("ann@x", "bob@x", 14)
        assert DIGEST not in str(stream)
        with capture_logs() as lines:
            first.close()
            assert await second.rest() == b""
            second.close()
            while await proxy.streams():
                pass
        (line,) = [line for line in lines if line["event"] == "a bytestream is over"]
        assert (line["initiator"], line["bytes"], line["reason"]) == ("ann@x", 14, "closed")
        text = generate_latest().decode()
        assert 'socks5_streams{stage="active"} 0.0' in text
        assert 'socks5_activations_total{condition=""} 1.0' in text
        assert 'socks5_ended_total{reason="closed"} 1.0' in text
        assert "socks5_moved_bytes_total 14.0" in text
    assert "socks5_streams" not in generate_latest().decode()


async def test_a_handshake_in_single_bytes_and_one_in_a_single_segment(tmp_path: Path) -> None:
    async with running_proxy(tmp_path) as proxy:
        first, second = [await Socks5Client.connect(proxy.port) for _ in range(2)]
        for byte in GREETING + connect_request(DIGEST):
            first.send(bytes((byte,)))
            await asyncio.sleep(0)
        second.send(GREETING + connect_request(DIGEST.upper()) + b"too early")
        for client in (first, second):
            assert (await client.read(49))[:4] == b"\5\0\5\0"
        assert await first.nothing_comes()
        assert await proxy.activate(DIGEST) == ""
        assert await first.read(9) == b"too early"


async def test_a_third_connection_is_refused_and_hurts_nobody(tmp_path: Path) -> None:
    async with running_proxy(tmp_path) as proxy:
        first, second = [await Socks5Client.join(proxy.port, DIGEST) for _ in range(2)]
        intruder = await Socks5Client.connect(proxy.port)
        assert await intruder.ask(DIGEST) == 2
        assert await intruder.rest() == b""
        intruder.close()
        assert await proxy.activate(DIGEST) == ""
        first.send(b"secret")
        assert await second.read(6) == b"secret"
        late = await Socks5Client.connect(proxy.port)
        assert await late.ask(DIGEST) == 2
        late.reset()
        second.send(b"still here")
        assert await first.read(10) == b"still here"
        assert 'socks5_refused_total{reason="taken"} 2.0' in generate_latest().decode()


async def test_nothing_flows_before_the_activation(tmp_path: Path) -> None:
    async with running_proxy(tmp_path) as proxy:
        first = await Socks5Client.join(proxy.port, DIGEST)
        assert await proxy.activate(DIGEST) == "not-allowed"
        second = await Socks5Client.join(proxy.port, DIGEST)
        first.send(b"too early")
        assert await second.nothing_comes()
        assert await proxy.activate(OTHER) == "item-not-found"
        assert await second.nothing_comes()
        assert await proxy.activate(DIGEST) == ""
        assert await second.read(9) == b"too early"
        assert await proxy.activate(DIGEST) == "conflict"
        second.send(b"untouched")
        assert await first.read(9) == b"untouched"


@pytest.mark.parametrize("sends_too_early", [False, True])
async def test_who_goes_away_makes_room_for_another(tmp_path: Path, sends_too_early: bool) -> None:
    async with running_proxy(tmp_path, pending_timeout_s="1.0") as proxy:
        gone = await Socks5Client.join(proxy.port, DIGEST)
        if sends_too_early:  # then only the time-out tells
            gone.send(b"hello")
        gone.reset()
        while await proxy.waiting():
            pass
        first, second = await proxy.pair(DIGEST)
        first.send(b"x")
        assert await second.read(1) == b"x"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"\4\1\0\x50\x7f\0\0\1\0", b""),
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (b"\5\1\2", b"\5\xff"),
        (b"\5\1\0\5\2\0\3\x28", b"\5\0\5\7\0\1\0\0\0\0\0\0"),
        (b"\5\1\0\5\3\0\3\x28", b"\5\0\5\7\0\1\0\0\0\0\0\0"),
        (b"\5\1\0\5\1\0\1\x7f\0\0\1", b""),
        (b"\5\1\0\5\1\0\3\x09localhost", b""),
        (b"\5\1\0\5\1\0\3\x28" + b"z" * 40, b""),
    ],
)
async def test_nothing_but_a_hash_is_served_and_nothing_is_dialled(
    tmp_path: Path, sent: bytes, answer: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        port = inside.getsockname()[1].to_bytes(2, "big")
        inside.setblocking(False)
        async with running_proxy(tmp_path) as proxy:
            client = await Socks5Client.connect(proxy.port)
            client.send(sent if answer or sent[0] != 5 else sent + port)
            got = await client.rest()
            assert got == answer if answer or sent[0] != 5 else got[3] in (2, 8)
            with pytest.raises(BlockingIOError):
                inside.accept()
            first, second = await proxy.pair(DIGEST)
            first.send(b"x")
            assert await second.read(1) == b"x"


async def test_who_says_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_module, "HANDSHAKE_S", 0.5)
    async with running_proxy(tmp_path, pending_timeout_s="0.5") as proxy:
        silent = await Socks5Client.connect(proxy.port)
        half = await Socks5Client.connect(proxy.port)
        half.send(GREETING)
        alone = await Socks5Client.join(proxy.port, DIGEST)
        pair = [await Socks5Client.join(proxy.port, OTHER) for _ in range(2)]
        assert await silent.rest() == b""
        assert await half.rest() == b"\5\0"
        for client in (alone, *pair):
            assert await client.rest() == b""
        assert 'socks5_refused_total{reason="timeout"} 5.0' in generate_latest().decode()


async def test_a_flood_from_one_address_is_limited_and_others_are_served(tmp_path: Path) -> None:
    async with running_proxy(
        tmp_path, address='["127.0.0.1", "::1"]', max_connections_per_address=20
    ) as proxy:
        flood = [await Socks5Client.connect(proxy.port) for _ in range(60)]
        ended = await asyncio.gather(*(client.rest() for client in flood[20:]))
        assert ended == [b""] * 40
        assert await flood[0].nothing_comes()
        first = await Socks5Client.join(proxy.port, DIGEST, "::1")
        second = await Socks5Client.join(proxy.port, DIGEST, "::1")
        assert await proxy.activate(DIGEST) == ""
        first.send(b"x")
        assert await second.read(1) == b"x"
        for client in flood:
            client.close()
        assert 'socks5_refused_total{reason="source"} 40.0' in generate_latest().decode()


async def test_new_connections_have_a_rate(tmp_path: Path) -> None:
    async with running_proxy(tmp_path, connections_per_second="0.2") as proxy:
        _clients = [await Socks5Client.join(proxy.port, DIGEST) for _ in range(2)]
        assert await (await Socks5Client.connect(proxy.port)).rest() == b""


async def test_of_too_many_that_wait_the_oldest_goes(tmp_path: Path) -> None:
    async with running_proxy(tmp_path, max_streams=1) as proxy:
        first, second = await proxy.pair(DIGEST)
        oldest, silent = await Socks5Client.join(proxy.port, OTHER), await Socks5Client.connect(proxy.port)
        newest = await Socks5Client.join(proxy.port, OTHER)
        assert await oldest.rest() == b""
        assert await silent.nothing_comes()
        assert await newest.nothing_comes()
        first.send(b"x")
        assert await second.read(1) == b"x"


class WithoutDescriptors(socket.socket):
    """A listener whose first accept finds no descriptor left."""

    refusals = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if not self.refusals:
            self.refusals += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


async def test_without_descriptors_clients_wait_until_there_are_some(tmp_path: Path) -> None:
    listener = WithoutDescriptors()
    listener.bind(("127.0.0.1", 0))
    listener.setblocking(False)
    proxy = proxy_module.Proxy(settings(tmp_path, socks5__enabled="true").socks5, 10.0)
    proxy.start([listener])
    client = await Socks5Client.join(listener.getsockname()[1], DIGEST)
    assert proxy.counters.refused == {"descriptors": 1}
    client.close()
    await proxy.stop()


async def test_streams_of_one_user_are_limited(tmp_path: Path) -> None:
    async with running_proxy(tmp_path, max_streams_per_user=1) as proxy:
        clients = [*await proxy.pair(DIGEST, initiator="ann@x")]
        clients += [await Socks5Client.join(proxy.port, OTHER) for _ in range(2)]
        assert await proxy.activate(OTHER, initiator="ann@x") == "resource-constraint"
        assert await proxy.activate(OTHER, initiator="bob@x") == ""


@pytest.mark.parametrize(
    ("digest", "body"),
    [
        (DIGEST, None),
        (DIGEST, []),
        (DIGEST, {"initiator": "a"}),
        (DIGEST, {"initiator": "", "target": "b"}),
        (DIGEST, {"initiator": "a", "target": 1}),
        (DIGEST, {"initiator": "a", "target": "b" * 4000}),
        (DIGEST.upper(), {"initiator": "a", "target": "b"}),
        ("x", {"initiator": "a", "target": "b"}),
    ],
)
async def test_a_wrong_activation_is_refused(tmp_path: Path, digest: str, body: object) -> None:
    async with running_proxy(tmp_path) as proxy:
        assert await proxy.put(digest, body) == "bad-request"


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken, free = other.getsockname()[1], free_port()
        ports = {"turn__udp_port": free, "turn__tcp_port": free, "socks5__port": taken}
        relay = main.make(settings(tmp_path, socks5__enabled="true", **ports))
        with pytest.raises(PartError, match=f"socks5.port {taken} on 127.0.0.1"):
            await relay.start()
    await relay.start()
    assert relay.trouble() is None
    await relay.stop()


async def test_without_it_nothing_listens_and_nothing_can_be_activated(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (relay, _):
        assert relay._proxy is None
        assert relay.trouble() is None


async def test_stopping_lets_a_transfer_end_and_cuts_what_does_not(tmp_path: Path) -> None:
    async with running_proxy(tmp_path) as proxy:
        first, second = await proxy.pair(DIGEST)
        stuck, other = await proxy.pair(OTHER)
        waiting = await Socks5Client.join(proxy.port, "e" * 40)
        first.send(b"the rest")
        first.send_end()
        with capture_logs() as lines:
            stopping = asyncio.create_task(proxy.relay.stop())
            assert await second.rest() == b"the rest"
            second.close()
            assert await waiting.rest() == b""
            await stopping
        assert await other.rest() == b""
        assert sorted(line["reason"] for line in lines if line["event"] == "a bytestream is over") == [
            "closed",
            "stopped",
        ]
        assert await proxy.activate(DIGEST) == "internal-server-error"
        stuck.close()


async def test_a_mover_that_failed_is_trouble_and_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_proxy(tmp_path) as proxy:
        inner = proxy.relay._proxy
        assert inner is not None
        first, _second = [await Socks5Client.join(proxy.port, DIGEST) for _ in range(2)]
        inner.mover.stop(0.0)
        assert "restart the relay" in (proxy.relay.trouble() or "")
        assert await proxy.activate(DIGEST) == "internal-server-error"
        assert await first.nothing_comes()
        monkeypatch.setattr(inner.mover, "stop", lambda grace_s: None)
