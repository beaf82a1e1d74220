"""The guest of the check before servers that let nobody in: it says why, and never waits for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.check import guest
from carillon.check.guest import GuestSeen
from carillon.settings import XmppSettings, parse
from tests.ports import free_port

HEAD = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


def features(content: str) -> str:
    return f"{HEAD}<stream:features>{content}</stream:features>"


def mechanisms(*names: str) -> str:
    words = "".join(f"<mechanism>{name}</mechanism>" for name in names)
    return features(f"<mechanisms xmlns='{SASL}'>{words}</mechanisms>")


def xmpp(port: int) -> XmppSettings:
    return parse(f"[xmpp]\nc2s_port = {port}\n", Path("/etc/carillon/carillon.toml")).xmpp


@asynccontextmanager
async def server(replies: Iterable[str | bytes]) -> AsyncIterator[int]:
    """Says one thing after the other, whatever it hears, and then ends the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await reader.read(65536)
            writer.write(reply.encode() if isinstance(reply, str) else reply)
        writer.close()

    port = free_port()
    listener = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield port
    finally:
        listener.close()


async def seen(*replies: str | bytes) -> GuestSeen:
    async with server(replies) as port:
        return await guest.look(xmpp(port), ["focus.localhost"])


@pytest.mark.parametrize(
    ("replies", "trouble"),
    [
        ([mechanisms("SCRAM-SHA-1")], "the server offers no anonymous login on guest.localhost"),
        (
            [features("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>")],
            "the server wants TLS of clients of guest.localhost",
        ),
        (
            [
                f"{HEAD}<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                "</stream:error></stream:stream>"
            ],
            "the server refuses guest.localhost (host-unknown)",
        ),
        (
            [mechanisms("ANONYMOUS"), f"<failure xmlns='{SASL}'><not-authorized/></failure>"],
            "the server refuses the anonymous login on guest.localhost",
        ),
        ([], "the server closes the stream to guest.localhost"),
    ],
)
async def test_each_reason_why_nobody_gets_in_has_its_words(replies: list[str], trouble: str) -> None:
    assert (await seen(*replies)).trouble == trouble


BOUND = "<iq type='result' id='check'/>"
LOGIN = [mechanisms("ANONYMOUS"), f"<success xmlns='{SASL}'/>", features(""), BOUND]
HOST = frozenset(("focus.localhost",))


async def test_an_answer_to_a_ping_means_that_a_component_is_there() -> None:
    assert await seen(*LOGIN, BOUND) == GuestSeen(answering=HOST)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("remote-server-timeout", GuestSeen(free=HOST)),
        ("forbidden", GuestSeen(free=HOST)),
        ("feature-not-implemented", GuestSeen(answering=HOST)),
    ],
)
async def test_errors_tell_servers_from_components(condition: str, found: GuestSeen) -> None:
    namespace = "urn:ietf:params:xml:ns:xmpp-stanzas"
    error = f"<error type='wait'><{condition} xmlns='{namespace}'/></error>"
    assert await seen(*LOGIN, f"<iq type='error' id='check'>{error}</iq>") == found


async def test_about_a_host_that_the_server_still_looks_for_nobody_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guest, "PING_S", 0.05)
    assert await seen(*LOGIN, " ", " ") == GuestSeen()


async def test_a_port_that_nobody_listens_on_is_told() -> None:
    port = free_port()
    found = await guest.look(xmpp(port), [])
    assert found.trouble == f"nothing answers at 127.0.0.1:{port} (Connection refused)"


async def test_a_server_that_never_stops_talking_is_left() -> None:
    endless = features("<x>" + "y" * guest.MAX_BYTES)
    assert "closes the stream" in (await seen(endless)).trouble


@given(st.binary(max_size=100) | st.sampled_from([b"<a/>", b"<a><b/><c/></a>", b"\xff\xfe", b"<a b='"]))
def test_whatever_a_server_says_there_is_a_reason(noise: bytes) -> None:
    assert asyncio.run(seen(noise)).trouble
