"""The check's TURN client against a real relay, and what the check says of how far it came."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.check.finding import Level
from carillon.check.stun_client import NoAnswer, StunClient, cut_rfc4571, cut_stun, wrap_rfc4571
from carillon.credentials import issue
from carillon.settings import Settings, parse
from carillon.stun import MessageClass, Method, build
from relay.check import StreamhostSeen, TurnTried, of_streamhost, of_turn
from relay.turn_check import TurnSeen, there_and_back
from tests.ports import free_port
from tests.relay.turn_client import SECRET, credential, running_relay, running_tls_relay

GOOD = TurnSeen("udp", relayed="192.0.2.10")
SILENT = TurnSeen("udp", trouble="nothing came back in 3 s")


@pytest.fixture
def settings() -> Settings:
    text = "[turn]\naddress = '10.0.0.5'\nadvertise = '192.0.2.10'\n"
    return parse(text, Path("/etc/carillon/carillon.toml"))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_packet_goes_there_and_back(tmp_path: Path, transport: str) -> None:
    async with running_relay(tmp_path) as (_, port):
        seen = await there_and_back(transport, "127.0.0.1", port, credential("carillon-check"))
    assert seen == TurnSeen(transport, relayed="127.0.0.1")


async def test_a_packet_goes_there_and_back_over_tls(tmp_path: Path) -> None:
    async with running_tls_relay(tmp_path) as (_, port):
        seen = await there_and_back("tls", "127.0.0.1", port, credential("carillon-check"))
    assert seen == TurnSeen("tls", relayed="127.0.0.1")


async def test_allocations_are_given_back(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (relay, port):
        await there_and_back("udp", "127.0.0.1", port, credential("carillon-check"))
        assert relay._sockets is not None
        allocations = relay._sockets.server.allocations.by_client
        async with asyncio.timeout(5):
            while allocations:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_another_secret_is_seen_as_a_refusal(tmp_path: Path) -> None:
    wrong = issue(f"not {SECRET}", "carillon-check", 60, time.time())
    async with running_relay(tmp_path) as (_, port):
        seen = await there_and_back("udp", "127.0.0.1", port, wrong)
    assert seen.code == 401


async def test_a_closed_port_is_seen_at_once() -> None:
    seen = await there_and_back("tcp", "127.0.0.1", free_port(), credential())
    assert seen.trouble == "Connection refused"


@pytest.mark.parametrize(
    ("tried", "what"),
    [
        (TurnTried(SILENT), "nothing answers at 192.0.2.10:3478: UDP port 3478 is blocked"),
        (TurnTried(SILENT, SILENT), "nothing answers at 192.0.2.10:3478: UDP port 3478 is blocked"),
        (TurnTried(SILENT, GOOD), "which clients are told, only at 10.0.0.5"),
        (TurnTried(TurnSeen("udp", trouble="refused", code=401)), "refuses credentials made from"),
        (TurnTried(TurnSeen("udp", trouble="the allocation is refused: 486", code=486)), "refused: 486"),
        (TurnTried(TurnSeen("udp", "192.0.2.10", "does not arrive")), "allocates, and then: does not arrive"),
        (TurnTried(TurnSeen("udp", "10.0.0.5")), "gives out the address 10.0.0.5, not 192.0.2.10"),
    ],
)
def test_each_way_to_fail_has_its_words(settings: Settings, tried: TurnTried, what: str) -> None:
    found = of_turn(tried, settings.turn)
    assert (found.level, found.subject) == (Level.ERROR, "TURN over UDP")
    assert what in found.what
    assert found.todo


def test_a_good_relay_gives_no_complaint(settings: Settings) -> None:
    assert of_turn(TurnTried(GOOD), settings.turn).level is Level.OK


@pytest.mark.parametrize(
    ("address", "where"),
    [("192.0.2.1", "proxy.example.org:1080 (192.0.2.1)"), ("", "proxy.example.org:1080")],
)
def test_a_streamhost_that_does_not_serve_is_named(address: str, where: str) -> None:
    found = of_streamhost(StreamhostSeen("proxy.example.org", address, "Connection refused"), 1080)
    assert found.level is Level.ERROR
    assert f"{where}, does not serve: Connection refused" in found.what


# The client


def request(id: bytes) -> bytes:
    return build(Method.BINDING, MessageClass.REQUEST, id, ())


async def lossy_server(lost: int) -> tuple[Any, int]:
    """Answers every request but the first `lost` ones."""

    class Server(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.left = lost

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.left -= 1
            if self.left < 0:
                self.transport.sendto(b"noise", addr)
                self.transport.sendto(build(Method.BINDING, MessageClass.SUCCESS, data[8:20], ()), addr)

    port = free_port()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Server, local_addr=("127.0.0.1", port)
    )
    return transport, port


async def test_a_lost_request_is_repeated() -> None:
    server, port = await lossy_server(1)
    client = StunClient("udp")
    try:
        await client.connect("127.0.0.1", port)
        assert (await client.exchange(request(bytes(12)))).cls is MessageClass.SUCCESS
    finally:
        client.close()
        server.close()


async def test_a_port_that_refuses_datagrams_ends_the_wait() -> None:
    client = StunClient("udp")
    await client.connect("127.0.0.1", free_port())
    with pytest.raises(NoAnswer, match="Connection refused"):
        await client.exchange(request(bytes(12)))
    client.close()


async def test_tcp_that_is_no_tls_is_told(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as (_, port):
        client = StunClient("tls")
        with pytest.raises(NoAnswer):
            await client.connect("127.0.0.1", port)


@given(st.lists(st.binary(min_size=12, max_size=12), max_size=5), st.data())
def test_messages_are_cut_from_a_stream_however_it_arrives(ids: list[bytes], data: st.DataObject) -> None:
    for cut, wrap in ((cut_stun, bytes), (cut_rfc4571, wrap_rfc4571)):
        stream = b"".join(wrap(request(id)) for id in ids)
        buffer, found = bytearray(), []
        while stream:
            size = data.draw(st.integers(1, len(stream)))
            buffer += stream[:size]
            stream = stream[size:]
            while (message := cut(buffer)) is not None:
                found.append(message)
        assert found == [request(id) for id in ids]
        assert not buffer


@given(st.binary(max_size=200))
def test_noise_is_passed_over(noise: bytes) -> None:
    for cut in (cut_stun, cut_rfc4571):
        client = StunClient("tcp", cut)
        client.take_stream(noise)
        client.take(secrets.token_bytes(20))
        assert client.unasked.qsize() <= 10
