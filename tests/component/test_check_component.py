"""What the check says of what a component sees: each cause has words of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from carillon.check.finding import Finding, Level, told
from carillon.check.guest import GuestSeen
from carillon.part import PARTS
from carillon.settings import Settings, parse
from component import check
from component.check import of_guests, of_links, of_observation, of_rooms
from component.link import LossKind, Timing
from component.rooms_probe import TIMEOUT, RoomsSeen
from component.self_check import LinkSeen, Observation
from tests.ports import free_port

FOCUS, CALLS, PROXY = (f"{name}.example.org" for name in ("focus", "calls", "proxy"))
GOOD_ROOMS = RoomsSeen(
    stranger_creates="not-allowed", stranger_affiliation="owner", affiliation="owner", real_jid=True
)


@pytest.fixture
def settings() -> Settings:
    return parse("[xmpp]\ndomain = 'example.org'\n", Path("/etc/carillon/carillon.toml"))


def lost(kind: LossKind, domain: str = FOCUS) -> LinkSeen:
    return LinkSeen(domain, up=False, loss=kind, detail="its detail")


def first(findings: list[Finding]) -> Finding:
    """The one whose line comes first."""
    return told(findings, tuple(PARTS))[0]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (LossKind.NOT_AUTHORIZED, "refuses the secret for focus.example.org"),
        (LossKind.HOST_UNKNOWN, "knows no component focus.example.org"),
        (LossKind.CONFLICT, "another process is connected to the XMPP server as focus.example.org"),
        (LossKind.REFUSED, "nothing answers at 127.0.0.1:5347"),
        (LossKind.SILENT, "does not answer the handshake"),
        (LossKind.STREAM_ERROR, "127.0.0.1:5347 ends the handshake of focus.example.org: its detail"),
    ],
)
def test_each_reason_why_the_focus_has_no_session_is_told_apart(
    settings: Settings, kind: LossKind, what: str
) -> None:
    found = first(of_links([lost(kind), lost(kind, CALLS)], settings))
    assert (found.level, found.subject) == (Level.ERROR, "handshake")
    assert what in found.what
    assert found.todo


async def handshake_with(answer: bytes, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Finding:
    """What is said of something that listens at the component port and says `answer`."""
    monkeypatch.setattr(check, "_TIMING", Timing(connect_s=1.0, handshake_s=0.2))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await reader.read()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    (directory / "secret").touch(mode=0o600)
    (directory / "secret").write_text("a secret")
    text = f"[xmpp]\ncomponent_port = {port}\nsecret_file = 'secret'\n"
    settings = parse(text, directory / "carillon.toml")
    guests = GuestSeen(free=frozenset(("focus.localhost",)))
    try:
        seen, none = await check._tried(settings, guests)
    finally:
        server.close()
    assert seen is not None
    assert none == []
    return first(of_observation(seen, settings, 0.0))


async def test_a_port_that_says_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await handshake_with(b"", tmp_path, monkeypatch)
    assert "does not answer the handshake" in found.what


async def test_a_port_for_clients_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await handshake_with(
        b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='x'>"
        b"<stream:error><invalid-namespace xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
        tmp_path,
        monkeypatch,
    )
    assert "ends the handshake of focus.localhost: stream error invalid-namespace" in found.what
    assert "not the one for clients" in found.todo


@pytest.mark.parametrize(
    ("guests", "what"),
    [
        (
            GuestSeen(answering=frozenset(("focus.example.org",))),
            "a component is connected as focus.example.org",
        ),
        (GuestSeen(), "the server does not say whether another component is connected"),
    ],
)
async def test_a_name_that_may_be_somebodys_is_not_touched(
    settings: Settings, guests: GuestSeen, what: str
) -> None:
    seen, found = await check._tried(settings, guests)
    assert seen is None
    assert [one.level for one in found] == [Level.WARNING]
    assert what in found[0].what


async def test_without_a_guest_only_the_port_is_tried(settings: Settings) -> None:
    xmpp = replace(settings.xmpp, component_port=free_port())
    seen, found = await check._tried(replace(settings, xmpp=xmpp), GuestSeen("no anonymous login"))
    assert seen is not None
    assert seen.links[0].loss is LossKind.REFUSED
    assert found == []


def test_a_secret_that_another_host_accepts_is_not_the_cause(settings: Settings) -> None:
    found = first(of_links([lost(LossKind.NOT_AUTHORIZED), LinkSeen(CALLS, up=True)], settings))
    assert "knows no component focus.example.org" in found.what
    assert CALLS in found.what


def test_other_hosts_are_only_warned_about(settings: Settings) -> None:
    found = first(of_links([LinkSeen(FOCUS, up=True), lost(LossKind.HOST_UNKNOWN, PROXY)], settings))
    assert (found.level, found.subject) == (Level.WARNING, PROXY)
    assert "enabled = false under [socks5]" in found.todo


def test_what_the_handshake_explains_is_not_told(settings: Settings) -> None:
    guests = of_guests(GuestSeen("the server offers no anonymous login on guest.example.org"), settings)
    links = [lost(LossKind.REFUSED), lost(LossKind.REFUSED, CALLS), lost(LossKind.REFUSED, PROXY)]
    assert [one.subject for one in told([guests, *of_links(links, settings)], tuple(PARTS))] == ["handshake"]


@pytest.mark.parametrize(
    ("seen", "subject", "what"),
    [
        (RoomsSeen(creates="not-allowed"), "MUC rights", "it may not open rooms"),
        (RoomsSeen(no_service=TIMEOUT), "MUC rights", "does not answer"),
        (RoomsSeen(creates=TIMEOUT), "MUC rights", "does not answer"),
        (
            RoomsSeen(no_service="not-allowed"),
            "MUC rights",
            "has no MUC service conference.example.org",
        ),
        (RoomsSeen(affiliation="owner", configures="forbidden"), "MUC rights", "may not configure"),
        (
            RoomsSeen(stranger_refuses="registration-required", real_jid=True),
            "MUC rights",
            "cannot enter a room",
        ),
        (RoomsSeen(stranger_affiliation="none", real_jid=True), "MUC rights", "no administrator"),
        (
            RoomsSeen(locked=True, real_jid=True),
            "room locking",
            "new rooms on conference.example.org are locked",
        ),
        (RoomsSeen(enters="registration-required"), "real addresses", "a participant cannot enter"),
        (RoomsSeen(real_jid=False), "real addresses", "do not see the real address"),
    ],
)
def test_each_lack_of_rights_has_its_words(
    settings: Settings, seen: RoomsSeen, subject: str, what: str
) -> None:
    found = first(of_rooms(seen, settings))
    assert (found.level, found.subject) == (Level.ERROR, subject)
    assert what in found.what
    assert found.todo


def test_rooms_as_they_should_be_give_no_complaint(settings: Settings) -> None:
    assert {one.level for one in of_rooms(GOOD_ROOMS, settings)} == {Level.OK}


def test_the_servers_clock_counts_from_when_it_was_told(settings: Settings) -> None:
    links = (LinkSeen(FOCUS, up=True),)
    seen = Observation(links, GOOD_ROOMS, "2026-01-01T00:00:00Z", age_s=30.0)
    told_at = 1767225600.0
    assert {one.level for one in of_observation(seen, settings, told_at + 30.0)} == {Level.OK}
    assert first(of_observation(seen, settings, told_at + 630.0)).subject == "clock"


def test_a_server_that_takes_no_guests_is_a_warning(settings: Settings) -> None:
    found = of_guests(GuestSeen("the server wants TLS of clients of guest.example.org"), settings)
    assert found.level is Level.WARNING
    assert found.what.startswith("guests cannot log in: the server wants TLS")
