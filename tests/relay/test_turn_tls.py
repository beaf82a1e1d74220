"""TURN over TLS: the same service as over TCP, behind a handshake; certificates change under living calls."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path
from unittest.mock import patch

import pytest
from structlog.testing import capture_logs

from carillon.certificate import make_self_signed
from carillon.part import PartError
from carillon.stun import MessageClass, Method, build
from relay import main
from tests.ports import free_port
from tests.relay.turn_client import Peer, TurnClient, any_certificate, credential, running_tls_relay, settings

LOOPBACK = {"turn__allow_peers": '["127.0.0.0/8"]'}
BINDING = build(Method.BINDING, MessageClass.REQUEST, bytes(12), [])


async def connected(port: int, context: ssl.SSLContext | None = None) -> TurnClient:
    client = TurnClient("tls", credential())
    client.tls_context = context
    await client.connect(port)
    return client


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


async def test_a_client_relays_by_indications_and_channels(tmp_path: Path) -> None:
    async with running_tls_relay(tmp_path, **LOOPBACK) as (relay, port):
        peer = await Peer.open()
        client = await connected(port, trusting(tmp_path / "relay.pem"))
        relayed = await client.allocate()
        await client.permit(peer.address)
        client.send(peer.address, b"by indication")
        assert await peer.receive() == (b"by indication", relayed)
        await client.bind(0x4000, peer.address)
        for size in (1, 2, 3, 4, 1200, 20_000):
            client.send_channel(0x4000, bytes(size))
            assert await peer.receive() == (bytes(size), relayed)
            peer.send(b"x" * size, relayed)
            assert await client.receive() == (0x4000, b"x" * size)
        sockets = relay._sockets
        assert sockets is not None
        (allocation,) = sockets.server.allocations.by_client.values()
        assert allocation.client.transport == "tls"
        client.close()
        witness = await connected(port)
        while sockets.server.allocations.by_client:
            await witness.exchange(BINDING)
        witness.close()
        peer.close()


async def test_alpn_of_turn_is_accepted_and_none_as_well(tmp_path: Path) -> None:
    async with running_tls_relay(tmp_path) as (_, port):
        for offered, chosen in ((["stun.turn"], "stun.turn"), (["h2", "stun.turn"], "stun.turn"), ([], None)):
            context = any_certificate()
            if offered:
                context.set_alpn_protocols(offered)
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
            writer.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_old_versions_are_refused_and_new_ones_not(tmp_path: Path, version: ssl.TLSVersion) -> None:
    async with running_tls_relay(tmp_path) as (_, port):
        old = any_certificate()
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            old.minimum_version = old.maximum_version = version
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=old)
        for good in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = any_certificate()
            context.minimum_version = context.maximum_version = good
            client = await connected(port, context)
            await client.allocate()
            client.close()


async def test_renegotiation_is_refused(tmp_path: Path) -> None:
    async with running_tls_relay(tmp_path) as (_, port):
        client = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(client.communicate(b"R\n"), 10)
        assert b"BEGIN CERTIFICATE" in output and b"RENEGOTIATING" in output
        assert b"no renegotiation" in output


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "half a handshake"])
async def test_a_handshake_that_does_not_end_is_cut(tmp_path: Path, data: bytes) -> None:
    with patch("relay.turn.tcp.HANDSHAKE_TIMEOUT_S", 0.3):
        async with running_tls_relay(tmp_path) as (relay, port):
            good = await connected(port)
            late = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
            for _, writer in late:
                writer.write(data)
            started = time.monotonic()
            for reader, writer in late:
                assert await asyncio.wait_for(reader.read(), 5) == b""
                writer.close()
            assert time.monotonic() - started < 3
            await good.allocate()
            good.close()
            assert relay.trouble() is None


async def test_connections_without_allocation_are_closed_after_the_handshake_too(tmp_path: Path) -> None:
    async with running_tls_relay(tmp_path, limits__handshake_timeout_s=0.3) as (_, port):
        idle, user = await connected(port), await connected(port)
        await user.allocate()
        await asyncio.wait_for(idle.closed.wait(), 5)
        assert await user.refresh(600) == 600
        assert not user.closed.is_set()
        user.close()


@pytest.mark.parametrize("data", [BINDING, b"GET / HTTP/1.1\r\n\r\n", bytes(500)], ids=["STUN", "HTTP", "0"])
async def test_what_is_no_tls_closes_the_connection(tmp_path: Path, data: bytes) -> None:
    async with running_tls_relay(tmp_path) as (relay, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        # At most a TLS alert comes back, nothing of STUN.
        assert len(await asyncio.wait_for(reader.read(), 5)) <= 7
        writer.close()
        garbage = await connected(port)
        garbage.send_raw(b"GET / HTTP/1.1\r\n\r\n")
        await asyncio.wait_for(garbage.closed.wait(), 5)
        sockets = relay._sockets
        assert sockets is not None
        assert sockets.server.counters.dropped["malformed"] == 2


async def test_connections_count_from_before_the_handshake(tmp_path: Path) -> None:
    async with running_tls_relay(tmp_path) as (_, port):
        with patch("relay.turn.sockets.MAX_CONNECTIONS_PER_SOURCE", 2):
            waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            with pytest.raises((ConnectionError, ssl.SSLError)):
                await connected(port)
            for _, writer in waiting:
                writer.close()
                await writer.wait_closed()
            for _ in range(50):
                try:
                    client = await connected(port)
                except (ConnectionError, ssl.SSLError):
                    await asyncio.sleep(0)
                    continue
                break
            await client.allocate()
            client.close()


async def test_a_new_certificate_is_shown_to_new_connections_and_old_ones_live(tmp_path: Path) -> None:
    pem, key = tmp_path / "relay.pem", tmp_path / "relay.key"
    async with running_tls_relay(tmp_path, **LOOPBACK) as (relay, port):
        old_trust = trusting(pem)
        peer = await Peer.open()
        client = await connected(port, old_trust)
        relayed = await client.allocate()
        await client.bind(0x4000, peer.address)
        make_self_signed(pem, key, ("127.0.0.1",))
        relay.reload(relay._settings)
        newcomer = await connected(port, trusting(pem))
        await newcomer.allocate()
        with pytest.raises(ssl.SSLCertVerificationError):
            await connected(port, old_trust)
        client.send_channel(0x4000, b"still here")
        assert await peer.receive() == (b"still here", relayed)
        for one in (client, newcomer, peer):
            one.close()


async def test_a_pair_that_does_not_fit_leaves_the_old_one_and_says_so(tmp_path: Path) -> None:
    pem, key = tmp_path / "relay.pem", tmp_path / "relay.key"
    async with running_tls_relay(tmp_path) as (relay, port):
        trust = trusting(pem)
        other_pem, other_key = tmp_path / "other.pem", tmp_path / "other.key"
        make_self_signed(other_pem, other_key, ("127.0.0.1",))
        good, good_key = pem.read_text(), key.read_text()
        for wrong, wrong_key in (
            (other_pem.read_text(), good_key),
            (good, other_key.read_text()),
            (good[: len(good) // 2], good_key),
            (good + good[: len(good) // 2], good_key),
            (good, good_key[:50]),
            (good, ""),
            ("", good_key),
        ):
            pem.write_text(wrong)
            key.write_text(wrong_key)
            with capture_logs() as lines:
                relay.reload(relay._settings)
            assert [line["log_level"] for line in lines] == ["error"]
            assert "the old one stays" in lines[0]["event"] and str(pem) in lines[0]["reason"]
            client = await connected(port, trust)
            await client.allocate()
            await client.refresh(0)
            client.close()
        pem.write_text(good)
        key.write_text(good_key)
        with capture_logs() as lines:
            relay.reload(relay._settings)
        assert [line["log_level"] for line in lines] == ["info"]


async def test_a_certificate_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    port = free_port()
    pair = {"turn__certificate": "'none.pem'", "turn__key": "'none.key'"}
    ports = {"turn__udp_port": port, "turn__tcp_port": port, "turn__tls_port": free_port()}
    with pytest.raises(PartError, match=r"none\.pem"):
        await main.make(settings(tmp_path, **pair, **ports)).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", port))


async def test_a_port_in_use_is_named_and_the_others_are_free_again(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(PartError, match=f"turn.tls_port {taken} on 127.0.0.1"):
            async with running_tls_relay(tmp_path, turn__tls_port=taken):
                pass
