"""Whether a server serves a domain: only its own word about that counts."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.check import server_domain
from carillon.check.finding import Finding, Level, told
from carillon.check.guest import GuestSeen
from component.check import of_guests
from tests.carillon.client_port import HEAD, features, mechanisms, server, settings_of
from tests.ports import free_port


async def seen(*replies: str | bytes) -> list[Finding]:
    async with server(replies) as port:
        return await server_domain.look(settings_of(port).xmpp)


def stream_error(condition: str) -> str:
    return (
        f"{HEAD}<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>no</text></stream:error></stream:stream>"
    )


@pytest.mark.parametrize("condition", ["host-unknown", "host-gone"])
async def test_a_domain_that_the_server_does_not_serve_is_an_error_with_what_to_do(condition: str) -> None:
    (found,) = await seen(stream_error(condition))
    assert (found.name, found.level) == ("component: domain", Level.ERROR)
    assert found.what == "the XMPP server does not serve localhost, which is xmpp.domain"
    assert 'VirtualHost "localhost"' in found.todo and "localhost under hosts" in found.todo


@pytest.mark.parametrize("offer", [features(""), mechanisms("SCRAM-SHA-1")])
async def test_a_stream_means_that_the_domain_is_served(offer: str) -> None:
    (found,) = await seen(offer)
    assert found.level is Level.OK


@pytest.mark.parametrize("replies", [[], [stream_error("policy-violation")], [HEAD], ["<html><p/></html>"]])
async def test_another_failure_says_nothing_about_the_domain(replies: list[str]) -> None:
    assert await seen(*replies) == []


async def test_a_port_that_nobody_listens_on_says_nothing_about_the_domain() -> None:
    assert await server_domain.look(settings_of(free_port()).xmpp) == []


async def test_a_server_that_keeps_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_domain, "OPEN_S", 0.05)
    assert await seen("", *[""] * 9) == []


def test_what_guests_miss_then_is_not_told() -> None:
    settings = settings_of(free_port())
    guests = of_guests(GuestSeen("the server refuses localhost (host-unknown)"), settings)
    (found,) = asyncio.run(seen(stream_error("host-unknown")))
    assert told([guests, found], ("component",)) == [found]


@given(st.binary(max_size=100) | st.sampled_from([b"<a/>", b"<a><b/><c/></a>", b"\xff\xfe", b"<a b='"]))
def test_noise_says_nothing_about_the_domain(noise: bytes) -> None:
    assert asyncio.run(seen(noise)) == []
