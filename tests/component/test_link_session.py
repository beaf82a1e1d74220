"""What services can rely on while sessions come and go: answers, time-outs, nothing stale, bounded memory."""

import asyncio
import re
import time
from xml.etree.ElementTree import Element, SubElement

import pytest

from component.link import ComponentLink, LinkDown, LossKind, RequestTimeout, StanzaTooLarge, Timing
from component.link import shell as shell_module
from component.stanza import StanzaInvalid, iq, presence
from component.stanza_error import StanzaError
from tests.component.fake_server import DOMAIN, SECRET, Connection, State, linked, until

QUERY = "{urn:x}query"


def query(to: str = "room@rooms.example/ann") -> Element:
    return iq("get", to, f"focus@{DOMAIN}/focus", Element(QUERY))


async def answering(connection: Connection) -> None:
    """Answer each request by the resource it goes to."""
    await connection.accept()
    while True:
        request = (await connection.until(b"</iq>")).decode()
        id_ = re.findall(r'id="([^"]+)"', request)[-1]
        to = re.findall(r' to="([^"]+)"', request)[-1]
        ours = f"id='{id_}' to='focus@{DOMAIN}/focus'"
        match to.partition("/")[2]:
            case "ann":
                connection.write(
                    f"<iq type='result' from='{to.upper()}' {ours}><a xmlns='urn:x'/></iq>".encode()
                )
            case "bob":
                error = "<error type='wait'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                connection.write(f"<iq type='error' from='{to}' {ours}>{error}</iq>".encode())
            case "eve":
                connection.write(f"<iq type='result' from='eve@evil.example' {ours}/>".encode())
            case "end":
                return


async def test_requests_end_as_their_answers_say() -> None:
    async with linked(answering) as (link, _):
        assert await State(link).next()
        assert (await link.request(query()))[0].tag == "{urn:x}a"
        with pytest.raises(StanzaError, match="conflict"):
            await link.request(query("room@rooms.example/bob"))
        with pytest.raises(RequestTimeout):
            await link.request(query("room@rooms.example/silent"), 0.05)
        assert (await link.request(query())).get("type") == "result"


async def test_only_whom_the_request_went_to_can_answer_it() -> None:
    async with linked(answering) as (link, _):
        assert await State(link).next()
        with pytest.raises(RequestTimeout):
            await link.request(query("room@rooms.example/eve"), 0.05)


async def test_requests_fail_when_the_session_is_lost_and_none_begins_without_one() -> None:
    async with linked(answering) as (link, _):
        state = State(link)
        with pytest.raises(LinkDown):
            await link.request(query())
        assert await state.next()
        waiting = asyncio.create_task(link.request(query("room@rooms.example/silent")))
        with pytest.raises(LinkDown):
            await link.request(query("room@rooms.example/end"))
        with pytest.raises(LinkDown):
            await waiting
        assert await state.next() is False


async def test_what_was_sent_during_an_outage_is_never_delivered() -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()
    end = asyncio.Event()

    async def serve_until_ended(connection: Connection) -> None:
        await connection.accept()
        await end.wait()

    async def serve(connection: Connection) -> None:
        await connection.accept()
        seen.put_nowait(await connection.until(b"fresh"))
        await connection.closed()

    async with linked(serve_until_ended, serve) as (link, _):
        state = State(link)
        link.send(presence("room@rooms.example/focus", f"stale@{DOMAIN}"))
        assert await state.next()
        end.set()
        assert await state.next() is False
        link.send(presence("room@rooms.example/focus", f"stale@{DOMAIN}"))
        assert await state.next()
        link.send(presence("room@rooms.example/focus", f"fresh@{DOMAIN}"))
        assert b"stale" not in await seen.get()


async def test_an_answer_that_comes_after_its_session_is_not_sent_into_the_next() -> None:
    begun, finish, end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(_: Element) -> None:
        begun.set()
        await finish.wait()

    async def first(connection: Connection) -> None:
        await connection.accept()
        connection.write(
            f"<iq type='get' id='late' from='a@b/c' to='{DOMAIN}'><query xmlns='urn:x'/></iq>".encode()
        )
        await end.wait()

    async def second(connection: Connection) -> None:
        await connection.accept()
        finish.set()
        assert await connection.ping()
        assert await connection.ping("again")
        assert b"late" not in connection.seen
        end.clear()
        await connection.closed()

    async with linked(first, second) as (link, _):
        link.on_iq("get", QUERY, slow)
        state = State(link)
        async with asyncio.timeout(5):
            await begun.wait()
        end.set()
        assert [await state.next() for _ in range(3)] == [True, False, True]
        await until(lambda: not end.is_set())


async def test_what_a_server_would_end_the_stream_for_is_not_sent() -> None:
    async with linked(answering) as (link, fake):
        assert await State(link).next()
        large = presence("a@b", DOMAIN, Element("{urn:x}x", {"a": "x" * 480_000}))
        with pytest.raises(StanzaTooLarge):
            link.send(large)
        with pytest.raises(StanzaInvalid):
            link.send(presence("a@b", DOMAIN, Element("{urn:x}x", {"a": "\0"})))
        assert (await link.request(query())).get("type") == "result"
        assert fake.connections == 1


async def test_an_answer_that_cannot_be_sent_is_an_error() -> None:
    served = asyncio.Event()

    async def serve(connection: Connection) -> None:
        await connection.accept()
        connection.write(
            f"<iq type='get' id='big' from='a@b/c' to='{DOMAIN}'><query xmlns='urn:x'/></iq>".encode()
        )
        assert b"internal-server-error" in await connection.until(b"</iq>")
        served.set()
        await connection.closed()

    async with linked(serve) as (link, _):
        link.on_iq("get", QUERY, lambda iq: Element("{urn:x}x", {"a": "x" * 480_000}))
        async with asyncio.timeout(5):
            await served.wait()


async def test_a_server_that_answers_no_ping_is_left() -> None:
    async def deaf(connection: Connection) -> None:
        await connection.accept()
        assert b"urn:xmpp:ping" in await connection.until(b"</iq>")
        await connection.closed()

    timing = Timing(ping_interval_s=0.02, ping_timeout_s=0.05)
    async with linked(deaf, timing=timing) as (link, _):
        state = State(link)
        assert [await state.next(), await state.next()] == [True, False]
        assert link.loss is not None
        assert link.loss.kind is LossKind.UNANSWERED


async def test_any_answer_to_a_ping_keeps_the_session() -> None:
    served = asyncio.Event()

    async def serve(connection: Connection) -> None:
        await connection.accept()
        for answer in ("result", "error", "result"):
            request = (await connection.until(b"</iq>")).decode()
            id_ = re.findall(r'id="([^"]+)"', request)[-1]
            connection.write(f"<iq type='{answer}' id='{id_}' from='example' to='{DOMAIN}'/>".encode())
        served.set()
        await connection.closed()

    async with linked(serve, timing=Timing(ping_interval_s=0.01, ping_timeout_s=1)) as (_, fake):
        async with asyncio.timeout(5):
            await served.wait()
        assert fake.connections == 1


async def test_a_server_that_does_not_read_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_module, "MAX_BACKLOG_BYTES", 1_000_000)
    go_on, drained = asyncio.Event(), asyncio.Event()

    async def stall(connection: Connection) -> None:
        await connection.accept()
        transport = connection.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        await go_on.wait()
        transport.resume_reading()
        await connection.until(b"after")
        drained.set()
        await connection.closed()

    async with linked(stall) as (link, fake):
        assert await State(link).next()
        await asyncio.sleep(0)
        payload = Element("{urn:x}x", {"a": "x" * 100_000})
        shell = link._shell
        assert shell is not None
        for _ in range(300):  # 30 MB: the sockets' own buffers take a few
            link.send(presence("a@b", DOMAIN, payload))
            await asyncio.sleep(0)
        assert shell._backlog() <= 1_000_000
        with pytest.raises(LinkDown):
            await link.request(iq("get", "a@b", DOMAIN, payload))
        go_on.set()
        await until(lambda: not shell._backlog())
        link.send(presence("a@b", DOMAIN, Element("{urn:x}after")))
        async with asyncio.timeout(5):
            await drained.wait()
        assert fake.connections == 1


async def test_thousands_of_pending_requests_slow_nothing_down() -> None:
    ping = (
        f"<iq id='1' type='get' from='a@b/c' to='{DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>".encode() * 100
    )

    def cost_s(link: ComponentLink) -> float:
        shell = link._shell
        assert shell is not None
        costs = []
        for _ in range(5):
            begin = time.process_time()
            shell.data_received(ping)
            costs.append(time.process_time() - begin)
        return min(costs)

    async def swallow(connection: Connection) -> None:
        await connection.accept()
        await connection.closed()

    async with linked(swallow) as (link, _):
        assert await State(link).next()
        alone = cost_s(link)
        waiting = [asyncio.create_task(link.request(query())) for _ in range(5000)]
        await asyncio.sleep(0.01)
        assert len(link._requests) == 5000
        assert cost_s(link) < 3 * alone + 0.001  # stock slixmpp: 5 ms for each stanza
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        assert len(link._requests) == 0


async def test_the_secret_is_in_no_log_and_stopping_is_final(capfd: pytest.CaptureFixture[str]) -> None:
    async with linked(answering) as (link, fake):
        assert await State(link).next()
        await link.stop()
        await link.stop()
        assert not link.up
        link.send(presence("a@b", DOMAIN))
    assert fake.connections == 1
    out, err = capfd.readouterr()
    assert SECRET not in out + err
    assert "handshake" not in out + err


async def test_a_state_handler_that_fails_harms_no_other() -> None:
    async with linked(answering) as (link, _):

        def fail(_: bool) -> None:
            raise RuntimeError

        link.on_state(fail)
        assert await State(link).next()
        request = query()
        SubElement(request[0], "{urn:x}y")
        assert (await link.request(request)).get("type") == "result"
