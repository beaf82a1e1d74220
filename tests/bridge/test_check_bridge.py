"""The check of the bridge against a real bridge, and what it says of what it saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge import check
from bridge.check import BridgeSeen, CandidateSeen, of_bridge, of_channel_url
from bridge.main import make
from carillon.check import reach
from carillon.check.finding import Finding, Level, told
from carillon.part import PARTS
from carillon.settings import Settings, parse
from tests.ports import free_port

UDP = CandidateSeen("udp", "192.0.2.10", 10000)
WELL = BridgeSeen(candidates=(UDP,), channel_url="wss://meet.example.org/colibri-ws/x/y/check")


def settings(directory: Path = Path("/etc/carillon")) -> Settings:
    media, rest = free_port(), free_port()
    text = (
        f"[focus]\nbridge = 'http://127.0.0.1:{rest}'\n"
        f"[bridge]\nport = {media}\nrest = '127.0.0.1:{rest}'\ncontrol = ''\n"
        f"websocket_url = 'ws://127.0.0.1:{rest}/colibri-ws'\n"
    )
    return parse(text, directory / "carillon.toml")


def first(findings: list[Finding]) -> Finding:
    return told(findings, tuple(PARTS))[0]


async def test_a_running_bridge_answers_everywhere(tmp_path: Path) -> None:
    configuration = settings(tmp_path)
    bridge = make(configuration)
    await bridge.start()
    try:
        found = list(await check.checks(configuration)[0].look())
        assert {one.level for one in found} == {Level.OK}, found
        assert {"media over UDP at 127.0.0.1", "media over TCP at 127.0.0.1", "bridge channel"} <= {
            one.subject for one in found
        }
    finally:
        await bridge.stop()


async def test_nothing_is_left_of_the_conference(tmp_path: Path) -> None:
    configuration = settings(tmp_path)
    bridge = make(configuration)
    await bridge.start()
    try:
        await check.checks(configuration)[0].look()
        assert not bridge.registry.conferences  # type: ignore[attr-defined]
    finally:
        await bridge.stop()


async def test_a_bridge_that_waits_for_its_end_is_a_warning(tmp_path: Path) -> None:
    configuration = settings(tmp_path)
    bridge = make(configuration)
    await bridge.start()
    bridge.registry.draining = True  # type: ignore[attr-defined]
    try:
        found = first(list(await check.checks(configuration)[0].look()))
        assert (found.level, found.subject) == (Level.WARNING, "REST")
    finally:
        await bridge.stop()


async def test_every_bridge_is_looked_at_and_named(tmp_path: Path) -> None:
    first_one, rest, media = settings(tmp_path), free_port(), free_port()
    text = (
        f"[bridge]\nrest = '{first_one.bridge.rest}'\nport = {first_one.bridge.port}\ncontrol = ''\n"
        f"[bridges.two]\nrest = '127.0.0.1:{rest}'\nport = {media}\n"
        f"websocket_url = 'ws://127.0.0.1:{rest}/colibri-ws'\n"
    )
    configuration = parse(text, tmp_path / "carillon.toml")
    bridge = make(configuration.as_bridge("two"))
    await bridge.start()
    try:
        looks = check.checks(configuration)
        assert [one.name for one in looks] == ["default", "two"]
        down, up = [told(await one.look(), tuple(PARTS)) for one in looks]
        assert (down[0].subject, down[0].level) == ("REST", Level.ERROR)
        assert {one.level for one in up} == {Level.OK}, up
        assert {"REST of two", "bridge channel of two"} <= {one.subject for one in up}
    finally:
        await bridge.stop()


async def test_a_bridge_that_the_focus_does_not_use_is_a_warning() -> None:
    text = "[focus]\nbridge = 'http://127.0.0.1:8083'\n[bridges.two]\nrest = '127.0.0.1:1'\nport = 2\n"
    looks = check.checks(parse(text, Path("/etc/carillon/carillon.toml")))
    assert [one.name for one in looks] == ["default", "two"]
    (found,) = list(await looks[1].look())
    assert (found.level, found.subject) == (Level.WARNING, "REST of two")


async def test_a_bridge_of_somebody_else_is_looked_at_from_outside() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    text = f"[focus]\nbridge = ['http://127.0.0.1:8083', '{url}']\n"
    looks = check.checks(parse(text, Path("/etc/carillon/carillon.toml")))
    (found,) = list(await looks[1].look())
    assert (found.level, found.subject) == (Level.ERROR, f"REST of {url.removeprefix('http://')}")


@pytest.mark.parametrize(
    ("seen", "subject", "what"),
    [
        (
            replace(WELL, rest="Connection refused"),
            "REST",
            "the focus gets no conference of http://127.0.0.1",
        ),
        (
            replace(WELL, candidates=(replace(UDP, trouble="nothing came back in 3 s"),)),
            "media over UDP at 192.0.2.10",
            "does not answer over UDP at 192.0.2.10:10000, the address that clients are told: nothing",
        ),
        (
            replace(WELL, candidates=(replace(UDP, trouble="nothing", listens="10.0.0.5"),)),
            "media over UDP at 192.0.2.10",
            "but it does at 10.0.0.5",
        ),
        (replace(WELL, channel="HTTP 404 instead of an upgrade"), "bridge channel", "HTTP 404"),
    ],
)
def test_each_way_to_fail_has_its_words(seen: BridgeSeen, subject: str, what: str) -> None:
    found = first(of_bridge(seen, settings()))
    assert (found.level, found.subject) == (Level.ERROR, subject)
    assert what in found.what
    assert found.todo


@pytest.mark.parametrize(
    ("told_addresses", "public", "level", "what"),
    [
        (
            ("10.0.0.5",),
            True,
            Level.ERROR,
            "clients are told 10.0.0.5, which is private, but the page is open",
        ),
        (("127.0.0.1",), True, Level.ERROR, "which is a loopback address, but the page is open"),
        (("10.0.0.5",), False, Level.OK, "works only where that address is reached"),
        (("127.0.0.1",), False, Level.OK, "works only on this machine"),
        (("10.0.0.5", "9.9.9.9"), True, Level.OK, "clients are told 10.0.0.5, 9.9.9.9"),
    ],
)
def test_an_address_that_not_everybody_reaches_is_named(
    told_addresses: tuple[str, ...], public: bool, level: Level, what: str
) -> None:
    found = reach.of_advertised("bridge", "bridge", told_addresses, public=public)
    assert found is not None
    assert found.level is level
    assert what in found.what


@pytest.mark.parametrize(
    ("page", "channel", "what"),
    [
        ("https://meet.example.org", "ws://meet.example.org/colibri-ws", "browsers refuse it in a page over"),
        ("https://meet.example.org", "wss://127.0.0.1/colibri-ws", "leads every client to itself"),
        ("http://10.0.0.5:8080", "ws://localhost:8080/colibri-ws", "leads every client to itself"),
    ],
)
def test_a_channel_that_the_page_cannot_open_is_named(page: str, channel: str, what: str) -> None:
    text = f"[front]\npublic_url = '{page}'\n[bridge]\nwebsocket_url = '{channel}'\n"
    found = of_channel_url(parse(text, Path("/etc/carillon/carillon.toml")))
    assert found is not None
    assert what in found.what
    assert "/colibri-ws" in found.todo


@pytest.mark.parametrize(
    ("page", "channel"),
    [
        ("https://meet.example.org", "wss://meet.example.org/colibri-ws"),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/colibri-ws"),
    ],
)
def test_a_channel_beside_the_page_is_well(page: str, channel: str) -> None:
    text = f"[front]\npublic_url = '{page}'\n[bridge]\nwebsocket_url = '{channel}'\n"
    assert of_channel_url(parse(text, Path("/etc/carillon/carillon.toml"))) is None


def test_host_names_are_no_addresses() -> None:
    assert reach.of_advertised("relay", "socks5", ("proxy.example.org",), public=True) is None


async def test_a_page_at_a_loopback_address_is_not_public() -> None:
    assert not await reach.front_is_public(settings())
