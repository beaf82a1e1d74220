"""The link against a server that does what no server should: every session but the spoilt one goes on."""

import asyncio

import pytest
import structlog

from component.link import ComponentLink, LossKind, Timing
from tests.component.fake_server import (
    DOMAIN,
    HEADER,
    LIMITS,
    SECRET,
    Behaviour,
    Connection,
    FakeServer,
    State,
    linked,
    until,
)

STREAM_ERROR = (
    "<stream:error><{} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
)


def spoil(data: bytes) -> Behaviour:
    """A server that is good until it sends this."""

    async def behaviour(connection: Connection) -> None:
        await connection.accept()
        assert await connection.ping()
        connection.write(data)
        await connection.closed()

    return behaviour


async def say_nothing(connection: Connection) -> None:
    await connection.closed()


async def close_at_once(connection: Connection) -> None:
    connection.writer.close()


async def never_answer_the_handshake(connection: Connection) -> None:
    await connection.until(b">")
    connection.write(HEADER)
    await connection.until(b"</handshake>")
    await connection.closed()


def answer_with(data: bytes) -> Behaviour:
    """A server that answers the stream header with this."""

    async def behaviour(connection: Connection) -> None:
        await connection.until(b">")
        connection.write(data)
        await connection.closed()

    return behaviour


def refuse_with(condition: str) -> Behaviour:
    """A server that answers the handshake with a stream error."""

    async def behaviour(connection: Connection) -> None:
        await connection.until(b">")
        connection.write(HEADER)
        await connection.until(b"</handshake>")
        connection.write(STREAM_ERROR.format(condition).encode())
        await connection.closed()

    return behaviour


QUICKLY_TRIED_AGAIN = {
    "silence": (say_nothing, LossKind.SILENT),
    "no answer to the handshake": (never_answer_the_handshake, LossKind.SILENT),
    "closed at once": (close_at_once, LossKind.CLOSED),
    "HTTP": (answer_with(b"HTTP/1.1 400 Bad Request\r\n\r\n"), LossKind.BROKEN),
    "entity bomb": (answer_with(b"<!DOCTYPE a [<!ENTITY a 'a'>]>" + HEADER[21:]), LossKind.BROKEN),
    "undefined condition": (refuse_with("undefined-condition"), LossKind.STREAM_ERROR),
    "conflict": (refuse_with("conflict"), LossKind.CONFLICT),
    "NUL": (spoil(b"<iq>\0</iq>"), LossKind.BROKEN),
    "not well-formed": (spoil(b"<iq><</iq>"), LossKind.BROKEN),
    "bad UTF-8": (spoil(b"<iq>\xff</iq>"), LossKind.BROKEN),
    "unbound prefix": (spoil(b"<p:iq/>"), LossKind.BROKEN),
    "document type": (spoil(b"<!DOCTYPE a>"), LossKind.BROKEN),
    "end of stream": (spoil(b"</stream:stream>"), LossKind.CLOSED),
    "stream error": (spoil(STREAM_ERROR.format("system-shutdown").encode()), LossKind.STREAM_ERROR),
}


@pytest.mark.parametrize(("behaviour", "kind"), QUICKLY_TRIED_AGAIN.values(), ids=QUICKLY_TRIED_AGAIN)
async def test_after_a_lost_session_the_next_one_works(behaviour: Behaviour, kind: LossKind) -> None:
    served = asyncio.Event()

    async def serve(connection: Connection) -> None:
        await connection.accept()
        assert await connection.ping()
        served.set()
        await connection.closed()

    with structlog.testing.capture_logs() as logs:
        async with linked(behaviour, serve, timing=Timing(handshake_s=0.1)) as (_, fake):
            async with asyncio.timeout(5):
                await served.wait()
            assert fake.connections == 2
    assert [log["reason"] for log in logs if "reason" in log] == [kind.value]


@pytest.mark.parametrize(
    ("condition", "kind"),
    [("not-authorized", LossKind.NOT_AUTHORIZED), ("host-unknown", LossKind.HOST_UNKNOWN)],
)
async def test_what_a_person_must_mend_is_said_once_and_not_hurried(condition: str, kind: LossKind) -> None:
    ended = asyncio.Event()

    async def behaviour(connection: Connection) -> None:
        await refuse_with(condition)(connection)
        ended.set()

    with structlog.testing.capture_logs() as logs:
        async with linked(behaviour) as (link, fake):
            async with asyncio.timeout(5):
                await ended.wait()
            await until(lambda: link.loss is not None)
            assert link.loss is not None
            assert link.loss.kind is kind
            assert fake.connections == 1
    assert [log["reason"] for log in logs if "reason" in log] == [kind.value]


async def test_refused_connections_are_tried_again_until_someone_listens() -> None:
    async with linked(close_at_once) as (_, fake):
        port = fake.port
    link = ComponentLink(DOMAIN, SECRET, ("127.0.0.1", port), pinged="example", limits=LIMITS)
    state = State(link)
    await link.start()
    try:
        await until(lambda: link.loss is not None)
        assert link.loss is not None
        assert link.loss.kind is LossKind.REFUSED
        fake = FakeServer([lambda connection: connection.accept()])
        async with await asyncio.start_server(fake.serve, "127.0.0.1", port):
            assert await state.next() is True
    finally:
        await link.stop()


def from_ann(content: bytes, type: bytes = b"set", id: bytes = b"7") -> bytes:
    return b"<iq id='%s' type='%s' from='ann@example/r' to='focus.example'>%s</iq>" % (id, type, content)


POISON = {
    "300 KiB": from_ann(b"<a>" + b"x" * 307200 + b"</a>"),
    "3000 deep": from_ann(b"<a>" * 3000 + b"</a>" * 3000),
    "50000 attributes": from_ann(b"<a" + b"".join(b" a%d=''" % n for n in range(50000)) + b"/>"),
    "20000 elements": from_ann(b"<a/>" * 20000),
    "comment": from_ann(b"<a><!-- x --></a>"),
    "processing instruction": from_ann(b"<a><?x y?></a>"),
    "no payload": from_ann(b""),
    "two payloads": from_ann(b"<a xmlns='u'/><b xmlns='u'/>"),
    "unknown type": from_ann(b"<a xmlns='u'/>", b"fetch"),
    "unknown payload": from_ann(b"<a xmlns='u'/>"),
    "get with a set's payload": from_ann(b"<ping xmlns='urn:xmpp:ping'/>"),
    "sender whose JID no library takes": from_ann(b"<a xmlns='u'/>").replace(
        b"/r'", "/\U0001f600\U000e0001'".encode()
    ),
    "sender with a bad domain": from_ann(b"<a xmlns='u'/>").replace(b"ann@example", b"a@-b..@@"),
}


@pytest.mark.parametrize("stanza", POISON.values(), ids=POISON)
async def test_a_poisonous_request_gets_one_error_and_costs_nobody_else(stanza: bytes) -> None:
    served = asyncio.Event()

    async def serve(connection: Connection) -> None:
        await connection.accept()
        connection.write(stanza)
        error = await connection.until(b"</iq>")
        assert b'type="error"' in error
        assert b'id="7"' in error
        assert b"<a" not in error.partition(b"<error")[2]
        assert await connection.ping()
        assert connection.seen == b""
        served.set()
        await connection.closed()

    async with linked(serve) as (link, fake):
        async with asyncio.timeout(5):
            await served.wait()
        assert link.up
        assert fake.connections == 1


IGNORED = {
    "result nobody asked for": from_ann(b"<a xmlns='u'/>", b"result"),
    "error nobody asked for": from_ann(b"<error type='cancel'/>", b"error"),
    "no sender": b"<iq type='get' id='1' to='focus.example'><a xmlns='u'/></iq>",
    "no id": b"<iq type='get' from='a@b' to='focus.example'><a xmlns='u'/></iq>",
    "another domain's": b"<iq type='get' id='1' from='a@b' to='other.example'><a xmlns='u'/></iq>",
    "odd presence": b"<presence type='maybe' from='a@b/c' to='focus.example'><x/></presence>",
    "probe": b"<presence type='probe' from='a@b' to='focus.example'/>",
    "subscription": b"<presence type='subscribe' from='a@b' to='focus.example'/>",
    "presence without anything": b"<presence/>",
    "odd message": b"<message type='shout' from='a@b' to='focus.example'><body>x</body><body/></message>",
    "error message": b"<message type='error' from='a@b' to='focus.example'><error/></message>",
    "message beyond a limit": b"<message from='a@b' to='focus.example'>" + b"<a/>" * 9000 + b"</message>",
    "unknown stanza": b"<whisper from='a@b' to='focus.example'/>",
    "second handshake": b"<handshake/>",
    "features": b"<stream:features/>",
}


@pytest.mark.parametrize("stanza", IGNORED.values(), ids=IGNORED)
async def test_what_asks_nothing_gets_no_answer(stanza: bytes) -> None:
    served = asyncio.Event()

    async def serve(connection: Connection) -> None:
        await connection.accept()
        connection.write(stanza)
        assert await connection.ping()
        assert connection.seen == b""
        served.set()
        await connection.closed()

    async with linked(serve) as (_, fake):
        async with asyncio.timeout(5):
            await served.wait()
        assert fake.connections == 1
