"""What the check says of how the ways into the front went."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bosh.check import FrontSeen, http_without_tls, of_front, own_url
from bosh.ways_in import Reply, WayIn
from carillon.check.finding import Finding, Level, told
from carillon.part import PARTS
from carillon.settings import Settings, parse

WELL = WayIn(Reply(), Reply(), Reply(), Reply(), Reply())
REFUSED = Reply("Connection refused")
DOWN = WayIn(REFUSED, REFUSED, REFUSED, Reply(), REFUSED)


def settings(text: str = "[front]\npublic_url = 'https://meet.example.org'\n") -> Settings:
    return parse(text, Path("/etc/carillon/carillon.toml"))


def complaints(seen: FrontSeen) -> list[Finding]:
    return [one for one in told(of_front(seen, settings()), tuple(PARTS)) if one.level is not Level.OK]


def test_a_front_as_it_should_be_gives_no_complaint() -> None:
    assert complaints(FrontSeen(WELL, WELL)) == []


@pytest.mark.parametrize(
    ("seen", "subject", "what", "todo"),
    [
        (
            FrontSeen(replace(WELL, websocket=Reply("HTTP 404 instead of an upgrade", 404)), WELL),
            "WebSocket",
            "does not reach the front through https://meet.example.org: the proxy before it drops it",
            "carillon snippet nginx",
        ),
        (FrontSeen(replace(WELL, websocket=REFUSED)), "WebSocket", "does not take WebSockets", "log"),
        (
            FrontSeen(replace(WELL, stream=Reply("host-unknown"))),
            "WebSocket",
            "opens no stream to the XMPP server for guests: host-unknown",
            "xmpp.guest_domain",
        ),
        (FrontSeen(replace(WELL, bosh=Reply("HTTP 405", 405)), WELL), "BOSH", "HTTP 405", "the proxy"),
        (FrontSeen(replace(WELL, page=Reply("HTTP 503", 503))), "page", "HTTP 503", "make setup"),
        (
            FrontSeen(replace(WELL, host_meta=Reply("it leads clients to wss://old.example.org"))),
            "host-meta",
            "it leads clients to wss://old.example.org",
            "front.public_url",
        ),
    ],
)
def test_each_way_to_fail_has_its_words(seen: FrontSeen, subject: str, what: str, todo: str) -> None:
    found = complaints(seen)[0]
    assert (found.level, found.subject) == (Level.ERROR, subject)
    assert what in found.what
    assert todo in found.todo


def test_a_proxy_that_leads_nowhere_is_one_complaint() -> None:
    found = complaints(FrontSeen(DOWN, WELL))
    assert [one.subject for one in found] == ["page"]
    assert "the front serves it at http://127.0.0.1:8080: mend the proxy" in found[0].todo


def test_a_front_that_does_not_run_is_one_complaint() -> None:
    found = complaints(FrontSeen(DOWN, DOWN))
    assert [one.subject for one in found] == ["page"]
    assert "nor does the front serve it" in found[0].todo


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("192.0.2.1", "http://192.0.2.1:8080"),
    ],
)
def test_the_fronts_own_address_is_one_that_can_be_connected_to(address: str, url: str) -> None:
    assert own_url(settings(f"[front]\naddress = '{address}'\npublic_url = 'https://a.example'\n")) == url


@pytest.mark.parametrize(
    ("url", "public", "level"),
    [
        ("http://meet.example.org", True, Level.ERROR),
        ("http://10.0.0.5", False, Level.WARNING),
        ("http://localhost:8080", False, None),
        ("https://meet.example.org", True, None),
    ],
)
def test_a_page_without_https_is_named(url: str, public: bool, level: Level | None) -> None:
    found = http_without_tls(settings(f"[front]\npublic_url = '{url}'\n"), public=public)
    assert (found.level if found else None) is level
