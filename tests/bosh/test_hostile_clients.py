"""What hostile and broken clients do to the front of a real server, each beside one that behaves."""

from __future__ import annotations

import asyncio
import struct
import time
from dataclasses import replace

import pytest

from bosh.main import Front
from carillon.settings import Settings
from tests.bosh.conftest import StartFront
from tests.bosh.flooding_server import STREAM, flooding_server
from tests.bosh.raw_client import RawWebSocket, exchange, masked, text_frame, upgrade
from tests.bosh.rfc7395_client import FRAMING, SASL, Connect, eventually
from tests.ports import free_port

XMPP = "Sec-WebSocket-Protocol: xmpp\r\n"
GOOD = upgrade("/xmpp-websocket", extra=XMPP)
MESSAGE = "<message xmlns='jabber:client' to='{jid}' id='{id}'><body>x</body></message>"


def open_message(settings: Settings) -> str:
    return f"<open xmlns='{FRAMING}' to='{settings.xmpp.guest_domain}' version='1.0'/>"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (upgrade("/xmpp-websocket", method="POST", extra=XMPP), 405),
        (GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        (GOOD.replace(b"Sec-WebSocket-Key", b"X"), 400),
        (GOOD.replace(b"dGhl", b"d!hl"), 400),
        (GOOD.replace(b"dGhl", b""), 400),
        (GOOD.replace(b"Version: 13", b"Version: 12"), 426),
        (GOOD.replace(b"Protocol: xmpp", b"Protocol: mqtt"), 400),
        (upgrade("/xmpp-websocket"), 400),
        (b"GET /xmpp-websocket HTTP/1.1\r\nHost: h\r\n\r\n", 426),
        (GOOD + masked(0x88, b"\x03\xe8"), 101),
    ],
)
async def test_only_a_proper_handshake_opens_a_websocket(
    front: Front, request_bytes: bytes, status: int
) -> None:
    answer = await exchange(front, request_bytes)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    if status == 426 and b"Version: 12" in request_bytes:
        assert b"\r\nSec-WebSocket-Version: 13\r\n" in answer


async def test_foreign_pages_cannot_connect_when_origins_are_listed(
    prosody: Settings, start_front: StartFront
) -> None:
    listed = replace(prosody.front, origins=("https://good.example",))
    front = await start_front(replace(prosody, front=listed))
    for origin, status in (("https://evil.example", 403), ("null", 403), ("https://good.example", 101)):
        request = upgrade("/xmpp-websocket", extra=f"{XMPP}Origin: {origin}\r\n")
        answer = await exchange(front, request + masked(0x88, b"\x03\xe8"))
        assert answer.startswith(b"HTTP/1.1 %d " % status), origin


async def test_compression_is_never_granted(front: Front) -> None:
    request = upgrade("/xmpp-websocket", extra=f"{XMPP}Sec-WebSocket-Extensions: permessage-deflate\r\n")
    answer = await exchange(front, request + masked(0xC1, b"bomb"))
    assert answer.startswith(b"HTTP/1.1 101 ") and b"Extensions" not in answer
    assert answer[-40:].find(struct.pack("!H", 1002)) >= 0


FRAMES: list[tuple[bytes, int]] = [
    (b"\x81\x01x", 1002),
    (masked(0xC1, b"x"), 1002),
    (masked(0x83, b"x"), 1002),
    (masked(0x89, b"x" * 126), 1002),
    (masked(0x80, b"x"), 1002),
    (struct.pack("!BBQ", 0x81, 0xFF, 1 << 40), 1009),
    (masked(0x81, b"<" + b"x" * 16_384), 1009),
    (masked(0x81, b"<" + b"x" * (12 << 20)), 1009),
    (masked(0x01, b"<") + masked(0x00, b"x" * 100_000) * 40, 1009),
    (masked(0x81, b"\xff"), 1007),
    (masked(0x82, b"x"), 1003),
    (masked(0x88, b"\x03\xe8"), 1000),
]


@pytest.mark.parametrize(("sent", "code"), FRAMES)
async def test_bad_frames_close_with_their_code(front: Front, sent: bytes, code: int) -> None:
    client = await RawWebSocket.connect(front)
    client.writer.write(masked(0x89, b"ping"))
    assert await client.frame() == (10, b"ping")
    client.writer.write(sent)
    assert (await client.until_close())[1] == code


@pytest.mark.parametrize(
    "flood",
    [
        masked(0x01) + masked(0x00, b" ") * 20_000,
        masked(0x89, b"ping") * 20_000,
        masked(0x8A) * 20_000,
        masked(0x01) + masked(0x00) * 20_000,
    ],
    ids=["fragments", "pings", "pongs", "empty fragments"],
)
async def test_floods_of_small_frames_leave_others_served(
    prosody: Settings, front: Front, connect: Connect, flood: bytes
) -> None:
    other = await connect(front)
    await other.login(prosody.xmpp.guest_domain)
    client = await RawWebSocket.connect(front)
    client.writer.write(flood)
    began = time.monotonic()
    await other.ping()
    assert time.monotonic() - began < 2
    client.writer.close()


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        ("<message xmlns='jabber:client' to='{jid}'>", "not-well-formed"),
        (MESSAGE + MESSAGE, "bad-format"),
        ("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>", "bad-format"),
        ("<!DOCTYPE m [<!ENTITY a 'b'>]>" + MESSAGE, "restricted-xml"),
        ("<!-- -->" + MESSAGE, "restricted-xml"),
        (MESSAGE.replace("x</", "&lol;</"), "restricted-xml"),
        (MESSAGE.replace("jabber:client", "jabber:server"), "invalid-namespace"),
        (MESSAGE.replace(" xmlns='jabber:client'", ""), "invalid-namespace"),
        (MESSAGE.replace("x</", "<d>" * 100 + "</d>" * 100 + "</"), "policy-violation"),
        (MESSAGE.replace("x</", "<e/>" * 5001 + "</"), "policy-violation"),
        (MESSAGE.replace(" to", " " + " ".join(f"a{n}=''" for n in range(70)) + " to"), "policy-violation"),
        (MESSAGE.replace("x</", "\x01</"), "not-well-formed"),
    ],
)
async def test_bad_xml_is_a_stream_error_and_reaches_nobody(
    prosody: Settings, front: Front, connect: Connect, message: str, condition: str
) -> None:
    receiver, sender, control = [await connect(front) for _ in range(3)]
    for client in (receiver, sender, control):
        await client.login(prosody.xmpp.guest_domain)
    await sender.send(message.format(jid=receiver.jid, id="bad"))
    await sender.receive(f"^<stream:error.*<{condition} ")
    await sender.receive("^<close ")
    await control.send(MESSAGE.format(jid=receiver.jid, id="good"))
    await receiver.receive("good")


async def test_nobody_stays_without_logging_in(prosody: Settings, start_front: StartFront) -> None:
    limits = replace(prosody.limits, handshake_timeout_s=0.5)
    front = await start_front(replace(prosody, limits=limits))
    silent, opened, logged_in = [await RawWebSocket.connect(front) for _ in range(3)]
    for client in (opened, logged_in):
        client.writer.write(text_frame(open_message(prosody)))
    logged_in.writer.write(text_frame(f"<auth xmlns='{SASL}' mechanism='ANONYMOUS'/>"))
    for client in (silent, opened):
        texts, code = await client.until_close()
        assert texts[0].startswith("<open ") and "connection-timeout" in texts[-2] and code == 1008
    assert [(await logged_in.frame())[1][:8] for _ in range(3)] == [b"<open xm", b"<stream:", b"<success"]
    logged_in.writer.write(masked(0x89, b"still here"))
    assert await logged_in.frame() == (10, b"still here")
    logged_in.writer.close()


async def test_a_stanza_is_as_long_as_the_limit_says_after_login(
    prosody: Settings, front: Front, connect: Connect
) -> None:
    client, receiver = await connect(front), await connect(front)
    await client.login(prosody.xmpp.guest_domain)
    await receiver.login(prosody.xmpp.guest_domain)
    await client.send(MESSAGE.format(jid=receiver.jid, id="long").replace("x</", "y" * 200_000 + "</"))
    await receiver.receive("long.*y{200000}</body>")
    await client.send(MESSAGE.format(jid=receiver.jid, id="longer").replace("x</", "y" * 262_144 + "</"))
    assert await client.closed() == 1009


async def test_guessing_passwords_is_cut(prosody: Settings, front: Front, connect: Connect) -> None:
    client = await connect(front)
    await client.open(prosody.xmpp.domain)
    for _ in range(5):
        await client.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>biwsbj1hbm4scj14</auth>")
        await client.receive("^<challenge")
        await client.send(f"<response xmlns='{SASL}'>Yz1iaXdzLHI9eCxwPXg=</response>")
        await client.receive("^<failure")
    await client.receive("^<stream:error.*policy-violation")
    other = await connect(front)
    await other.login(prosody.xmpp.domain, "ann", "secret")


async def head_in_pieces(front: Front) -> bytes:
    """A head that never ends, a byte at a time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n")

    async def trickle() -> None:
        while not writer.is_closing():
            writer.write(b"X")
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle())
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        trickling.cancel()
        writer.close()


async def test_a_slow_head_and_an_idle_connection_are_cut(
    settings: Settings, start_front: StartFront
) -> None:
    limits = replace(settings.limits, handshake_timeout_s=0.3)
    front = await start_front(replace(settings, limits=limits))
    assert (await head_in_pieces(front)).startswith(b"HTTP/1.1 408 ")
    assert await exchange(front, b"") == b""
    answer = await exchange(front, b"GET /carillon.json HTTP/1.1\r\nHost: h\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_connection_in_use_is_kept(settings: Settings, start_front: StartFront) -> None:
    front = await start_front(replace(settings, limits=replace(settings.limits, handshake_timeout_s=1.0)))
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    for _ in range(3):
        writer.write(b"GET /carillon.json HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"200" in await asyncio.wait_for(reader.readuntil(b"}"), 10)
        await asyncio.sleep(0.5)
    writer.close()


async def test_requests_are_answered_one_after_the_other_on_one_connection(
    settings: Settings, start_front: StartFront
) -> None:
    front = await start_front(settings)
    get = b"GET /carillon.json HTTP/1.1\r\nHost: h\r\n\r\n"
    answer = await exchange(
        front, get * 3 + get.replace(b"GET", b"HEAD") + b"POST / HTTP/1.1\r\nHost: h\r\n\r\n" + get
    )
    assert answer.count(b"HTTP/1.1 200 ") == 4 and answer.count(b'"guest_domain"') == 3
    assert answer.count(b"HTTP/1.1 405 ") == 1 and b"\r\nAllow: GET, HEAD\r\n" in answer


async def test_a_client_that_reads_no_answers_is_cut(settings: Settings, start_front: StartFront) -> None:
    front = await start_front(replace(settings, limits=replace(settings.limits, handshake_timeout_s=0.5)))
    _, writer = await asyncio.open_connection("127.0.0.1", front.port, limit=1024)
    get = b"GET /carillon.json HTTP/1.1\r\nHost: h\r\n\r\n" * 100
    with pytest.raises((TimeoutError, ConnectionError)):
        for _ in range(10_000):
            writer.write(get)
            await asyncio.wait_for(writer.drain(), 5)
    assert (await exchange(front, get[: len(get) // 100])).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_large_body_is_refused_before_it_is_read(settings: Settings, start_front: StartFront) -> None:
    front = await start_front(settings)
    post = b"POST /http-bind HTTP/1.1\r\nHost: h\r\nContent-Length: 30000000\r\n\r\n"
    assert (await exchange(front, post + b"x" * 1_000_000)).startswith(b"HTTP/1.1 413 ")


async def test_one_source_has_only_so_many_connections(settings: Settings, start_front: StartFront) -> None:
    front = await start_front(replace(settings, front=replace(settings.front, max_connections_per_address=2)))
    get = b"GET /carillon.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    held = [await asyncio.open_connection("127.0.0.1", front.port) for _ in range(2)]
    answer = await exchange(front, b"")
    assert answer.startswith(b"HTTP/1.1 429 ") and b"Retry-After" in answer
    for _, writer in held:
        writer.close()
    answers: list[bytes] = []
    while not answers or answers[-1].startswith(b"HTTP/1.1 429 "):
        answers.append(await exchange(front, get))
        assert len(answers) < 100
    assert answers[-1].startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_does_not_read_slows_the_server_down(
    settings: Settings, start_front: StartFront
) -> None:
    async with flooding_server(settings.xmpp.server) as flood:
        front = await start_front(replace(settings, xmpp=replace(settings.xmpp, c2s_port=flood.port)))
        client = await RawWebSocket.connect(front)
        client.writer.write(text_frame(open_message(settings)))
        await asyncio.wait_for(flood.blocked.wait(), 20)
        assert flood.written < 50_000_000  # the kernel's buffers on both connections, and 64 KiB of ours
        client.writer.close()


async def test_a_lost_socket_is_not_the_end_of_the_stream(
    settings: Settings, start_front: StartFront
) -> None:
    received: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b">")
        writer.write(STREAM)
        received.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(listen, settings.xmpp.server, 0)
    port = server.sockets[0].getsockname()[1]
    front = await start_front(replace(settings, xmpp=replace(settings.xmpp, c2s_port=port)))
    for last, expected in (
        (masked(0x88, b"\x03\xe9"), b""),
        (None, b""),
        (text_frame(f"<close xmlns='{FRAMING}'/>"), b"</stream:stream>"),
    ):
        client = await RawWebSocket.connect(front)
        client.writer.write(text_frame(open_message(settings)))
        await client.frame()
        received.clear()
        if last is None:
            client.writer.transport.abort()
        else:
            client.writer.write(last)
            await client.writer.drain()
            await asyncio.sleep(0)
            client.writer.close()
        await eventually(lambda: len(received) == 1)
        assert received[0].rpartition(b"version")[2].endswith(expected)
        assert (b"</stream:stream>" in received[0]) is bool(expected)
    server.close()


async def test_a_server_that_is_away_is_told_in_words(settings: Settings, start_front: StartFront) -> None:
    nobody = replace(settings.xmpp, c2s_port=free_port())
    front = await start_front(replace(settings, xmpp=nobody))
    client = await RawWebSocket.connect(front)
    client.writer.write(text_frame(open_message(settings)))
    texts = [(await client.frame())[1].decode() for _ in range(3)]
    assert texts[0].startswith("<open ") and texts[2].startswith("<close ")
    assert "remote-connection-failed" in texts[1] and "cannot be reached" in texts[1]
    client.writer.write(text_frame(f"<close xmlns='{FRAMING}'/>"))
    assert await client.until_close() == ([], 1000)


async def test_a_client_that_answers_no_ping_is_given_up(
    settings: Settings, start_front: StartFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bosh.xmpp_websocket.PING_INTERVAL_S", 0.2)
    front = await start_front(settings)
    alive = await RawWebSocket.connect(front)
    for _ in range(4):
        assert await alive.frame() == (9, b"")
        alive.writer.write(masked(0x8A))
    dead = await RawWebSocket.connect(front)
    assert await dead.frame() == (9, b"")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await dead.frame()
    for client in (alive, dead):
        client.writer.close()
