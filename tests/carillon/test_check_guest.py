"""The guest of the check before servers that let nobody in: it says why, and never waits for long."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.check import client_stream, guest
from carillon.check.guest import GuestSeen
from tests.carillon.client_port import HEAD, SASL, features, mechanisms, server, settings_of
from tests.ports import free_port


async def seen(*replies: str | bytes) -> GuestSeen:
    async with server(replies) as port:
        return await guest.look(settings_of(port).xmpp, ["focus.localhost"])


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
    found = await guest.look(settings_of(port).xmpp, [])
    assert found.trouble == f"nothing answers at 127.0.0.1:{port} (Connection refused)"


async def test_a_server_that_never_stops_talking_is_left() -> None:
    endless = features("<x>" + "y" * client_stream.MAX_BYTES)
    assert "closes the stream" in (await seen(endless)).trouble


@given(st.binary(max_size=100) | st.sampled_from([b"<a/>", b"<a><b/><c/></a>", b"\xff\xfe", b"<a b='"]))
def test_whatever_a_server_says_there_is_a_reason(noise: bytes) -> None:
    assert asyncio.run(seen(noise)).trouble
