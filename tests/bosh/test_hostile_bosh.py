"""What hostile and broken clients do to BOSH before a real server, each beside one that behaves."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from bosh.http_bind import PATH
from bosh.main import Front
from carillon.certificate import make_self_signed
from carillon.settings import Settings
from tests.bosh.bosh_client import BoshClient, NewClient, body, condition
from tests.bosh.conftest import StartFront
from tests.bosh.flooding_server import flooding_server
from tests.bosh.raw_client import exchange, upgrade
from tests.ports import free_port


def post(data: str | bytes, *headers: str, method: str = "POST", length: int | str | None = None) -> bytes:
    """The bytes of a request; the connection is closed after it unless a header says so."""
    raw = data.encode() if isinstance(data, str) else data
    told = length if length is not None else len(raw)
    lines = [f"{method} {PATH} HTTP/1.1", "Host: h", f"Content-Length: {told}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + raw


CLOSE = "Connection: close"
UNKNOWN = body(rid=1, sid="unheard-of")


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def test_an_unknown_session_is_a_condition_and_no_http_error(front: Front) -> None:
    answer = await exchange(front, post(UNKNOWN, CLOSE))
    assert status(answer) == 200 and b'condition="item-not-found"' in answer
    assert b"\r\nContent-Type: text/xml; charset=utf-8\r\n" in answer and b"no-store" in answer


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (post(UNKNOWN, CLOSE, "Transfer-Encoding: chunked"), 400),
        (post(UNKNOWN, CLOSE, f"Content-Length: {len(UNKNOWN)}"), 400),
        (post(UNKNOWN, CLOSE, length="0x10"), 400),
        (post(UNKNOWN, CLOSE, length="-5"), 400),
        (post(UNKNOWN, CLOSE, length="+5"), 400),
        (post(UNKNOWN, CLOSE, length="12abc"), 400),
        (post(UNKNOWN, CLOSE, length="9" * 30), 400),
        (post("", CLOSE, length=10**12), 413),
        (post("x" * 100_000, CLOSE, length=30 << 20), 413),
        (post("x" * 20_000, CLOSE), 413),
        (post(UNKNOWN, CLOSE, "Content-Encoding: gzip"), 415),
        (post(UNKNOWN, CLOSE, "X: y", " folded"), 400),
        (post(UNKNOWN, CLOSE, "X: a\rb"), 400),
        (post(UNKNOWN, CLOSE, "X: a\0b"), 400),
        (post(UNKNOWN, CLOSE).replace(b"Host: h\r\n", b""), 400),
        (b"POST /http-bind HTTP/1.1\r\nHost: h\r\n\r\n", 411),
        (b"POST /http-bind HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (post("", CLOSE, method="TRACE"), 405),
        (post("", CLOSE, method="PUT"), 405),
        (post("", CLOSE, method="CONNECT"), 405),
        (post("", CLOSE, method="GET").replace(PATH.encode(), PATH.encode() + b"?<body/>"), 405),
        (post("", CLOSE, method="GET").replace(PATH.encode(), PATH.encode() + b"?%3Cbody/%3E"), 405),
        (post("", CLOSE).replace(PATH.encode(), b"/carillon.json"), 405),
    ],
)
async def test_what_http_does_not_allow_ends_the_connection(
    front: Front, request_bytes: bytes, expected: int
) -> None:
    answer = await exchange(front, request_bytes + post(UNKNOWN))
    assert status(answer) == expected
    assert answer.count(b"HTTP/1.1 ") == 1, "nothing behind it is taken"
    assert status(await exchange(front, post(UNKNOWN, CLOSE))) == 200


async def test_people_get_a_page(front: Front) -> None:
    answer = await exchange(front, f"GET {PATH} HTTP/1.1\r\nHost: h\r\n{CLOSE}\r\n\r\n".encode())
    assert status(answer) == 200 and b"text/html" in answer and b"BOSH" in answer


async def test_requests_on_one_connection_are_answered_in_their_order(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client = new_client(front)
    await client.login(prosody.xmpp.guest_domain)
    pipelined = [post(body(rid=client.rid + n, sid=client.sid)) for n in range(2)]
    other = post(UNKNOWN, CLOSE)
    answer = await exchange(front, b"".join([*pipelined, other]))
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert answer.rstrip().endswith(b'condition="item-not-found"/>')


async def test_a_websocket_behind_a_waiting_request_is_refused(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client = new_client(front)
    await client.login(prosody.xmpp.guest_domain)
    waiting = post(body(rid=client.rid, sid=client.sid))
    answer = await exchange(
        front, waiting + upgrade("/xmpp-websocket", extra="Sec-WebSocket-Protocol: xmpp\r\n")
    )
    assert b"HTTP/1.1 200 " in answer and b"HTTP/1.1 400 " in answer and b"101" not in answer[:20]


async def test_an_http_1_0_client_is_answered_however_long_it_waits(
    prosody: Settings, start_front: StartFront, new_client: NewClient
) -> None:
    front = await start_front(replace(prosody, limits=replace(prosody.limits, handshake_timeout_s=1.0)))
    client = new_client(front)
    await client.login(prosody.xmpp.guest_domain)
    request = post(body(rid=client.rid, sid=client.sid)).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert status(await exchange(front, request)) == 200


async def test_pages_of_other_origins_need_permission(prosody: Settings, start_front: StartFront) -> None:
    listed = replace(prosody.front, origins=("https://good.example",))
    front, open_front = await start_front(replace(prosody, front=listed)), await start_front(prosody)
    for origin, expected in (("https://good.example", 204), ("https://evil.example", 403), ("null", 403)):
        preflight = f"OPTIONS {PATH} HTTP/1.1\r\nHost: h\r\nOrigin: {origin}\r\n{CLOSE}\r\n\r\n".encode()
        answer = await exchange(front, preflight)
        assert status(answer) == expected
        allowed = f"\r\nAccess-Control-Allow-Origin: {origin}\r\n".encode() in answer
        assert allowed is (expected == 204) and (b"Vary: Origin" in answer) is allowed
        answered = await exchange(front, post(UNKNOWN, f"Origin: {origin}", CLOSE))
        assert status(answered) == (200 if allowed else 403)
        assert b"Credentials" not in answer + answered
    answer = await exchange(open_front, post(UNKNOWN, "Origin: https://any.example", CLOSE))
    assert b"\r\nAccess-Control-Allow-Origin: *\r\n" in answer and b"Credentials" not in answer


async def test_long_bodies_are_for_those_who_have_logged_in(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client, receiver = new_client(front), new_client(front)
    await client.create(prosody.xmpp.guest_domain)
    message = f"<message xmlns='jabber:client'><body>{'x' * 200_000}</body></message>"
    before = await exchange(front, post(body(message, rid=client.rid, sid=client.sid), CLOSE))
    assert status(before) == 413
    await receiver.login(prosody.xmpp.guest_domain)
    other = new_client(front)
    await other.login(prosody.xmpp.guest_domain)
    await other.send(message.replace("<message", f"<message to='{receiver.jid}'"))
    await receiver.receive("x{200000}</body>")
    after = await exchange(front, post(body(message * 2, rid=other.rid, sid=other.sid), CLOSE))
    assert status(after) == 413


async def test_slow_bodies_are_cut(settings: Settings, start_front: StartFront) -> None:
    front = await start_front(replace(settings, limits=replace(settings.limits, handshake_timeout_s=0.5)))
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    request = post(UNKNOWN)
    began = time.monotonic()
    for octet in request[:-5]:
        if time.monotonic() - began > 3 or writer.is_closing():
            break
        writer.write(bytes((octet,)))
        await asyncio.sleep(0.02)
    assert status(await asyncio.wait_for(reader.read(), 10)) == 408
    writer.close()


async def test_one_address_has_only_so_many_sessions(
    prosody: Settings, start_front: StartFront, new_client: NewClient
) -> None:
    few = replace(prosody.front, max_connections_per_address=3)
    front = await start_front(replace(prosody, front=few))
    clients = [new_client(front) for _ in range(3)]
    for client in clients:
        await client.create(prosody.xmpp.guest_domain)
    async with clients[0].http.post(clients[0].url, data=body(rid=1, to=prosody.xmpp.domain)) as refused:
        assert refused.status == 429 and "Retry-After" in refused.headers
    assert condition(await clients[0].post(type="terminate")) == ""
    await new_client(front).create(prosody.xmpp.guest_domain)


async def test_a_malformed_request_ends_its_session_and_no_other(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client, other = new_client(front), new_client(front)
    for one in (client, other):
        await one.login(prosody.xmpp.guest_domain)
    bad = body("<message>&lol;</message>", rid=client.rid, sid=client.sid)
    assert condition(await client.post_raw(bad)) == "bad-request"
    assert condition(await client.post()) == "item-not-found"
    await other.ping()


async def test_an_idle_session_is_gone_and_so_is_its_place(
    prosody: Settings, start_front: StartFront, new_client: NewClient
) -> None:
    short = replace(prosody.front, bosh_inactivity_s=0.5, bosh_wait_s=0.5, max_connections_per_address=2)
    front = await start_front(replace(prosody, front=short))
    client = new_client(front)
    await client.create(prosody.xmpp.guest_domain)
    await asyncio.sleep(1.5)
    assert condition(await client.post()) == "item-not-found"
    assert condition(await new_client(front).create(prosody.xmpp.guest_domain)) is None


async def test_the_port_without_tls_leads_to_the_other_one(
    prosody: Settings, start_front: StartFront, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("tls")
    pem, key = directory / "certificate.pem", directory / "key.pem"
    make_self_signed(pem, key, ("localhost",))
    port = free_port()
    tls = replace(
        prosody.front,
        certificate=str(pem),
        key=str(key),
        http_port=port,
        public_url="https://localhost:8443",
    )
    await start_front(replace(prosody, front=tls))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(body(rid=1, to="localhost"), CLOSE))
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b"see-other-uri" in answer and b"<uri>https://localhost:8443/http-bind</uri>" in answer
    writer.close()


async def test_a_fault_of_ours_ends_one_session(
    prosody: Settings, front: Front, new_client: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, other = new_client(front), new_client(front)
    for one in (client, other):
        await one.login(prosody.xmpp.guest_domain)

    def fault(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("bosh.bosh_session.BoshSession._take", fault)
    assert condition(await client.post()) == "internal-server-error"
    monkeypatch.undo()
    await other.ping()


async def test_wrong_passwords_are_cut(prosody: Settings, front: Front, new_client: NewClient) -> None:
    async def guess(client: BoshClient) -> str:
        await client.open(prosody.xmpp.domain)
        for _ in range(10):
            sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
            await client.send(f"<auth {sasl} mechanism='SCRAM-SHA-1'>biwsbj1hbm4scj14</auth>")
            await client.receive("^<challenge")
            answer = await client.post(f"<response {sasl}>Yz1iaXdzLHI9eCxwPXg=</response>")
            while "failure" not in answer:
                answer = await client.post()
            if ended := condition(answer):
                return ended
        return ""

    assert await guess(new_client(front)) == "policy-violation"
    await new_client(front).login(prosody.xmpp.domain, "ann", "secret")


async def test_a_client_that_does_not_ask_slows_the_server_down(
    settings: Settings, start_front: StartFront, new_client: NewClient
) -> None:
    async with flooding_server(settings.xmpp.server) as flood:
        front = await start_front(replace(settings, xmpp=replace(settings.xmpp, c2s_port=flood.port)))
        client = new_client(front)
        await client.create(settings.xmpp.domain)
        await asyncio.wait_for(flood.blocked.wait(), 20)
        assert flood.written < 50_000_000  # the kernel's buffers, and 64 KiB of ours
        assert "xxx" in await client.post()
