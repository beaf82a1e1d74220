"""Pages, host-meta and /carillon.json."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from bosh.http import Request, Response
from bosh.pages import Site
from bosh.websocket_handshake import MOVABLE
from carillon.settings import Settings

INDEX = b"<!doctype html><title>meeting</title>" + b" " * 500
SCRIPT = b"export const x = 1;" * 50


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(INDEX)
    (tmp_path / "assets" / "main-0a1b2c3d.js").write_bytes(SCRIPT)
    (tmp_path / "icon.svg").write_bytes(b"<svg/>")
    (tmp_path / "secret").write_bytes(b"of no known type")
    return tmp_path


@pytest.fixture
def site(settings: Settings, built: Path) -> Site:
    return Site(settings, built)


def get(site: Site, path: str, **headers: str) -> Response:
    named = {"host": "h.example:8080", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return site.answer(Request("GET", path, "", named, "1.1", b""))


@pytest.mark.parametrize("path", ["/", "/room", "/Room.with.dots", "/r%C3%A4ume", "/a-b_c~d", "/index.html"])
def test_every_room_shows_the_page(site: Site, path: str) -> None:
    response = get(site, path)
    assert (response.status, response.body) == (200, INDEX)
    assert response.content_type == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/a/b", "/room/", "//", "/..", "/../secret", "/%2e%2e%2fsecret", "/..%2fpages.py", "/secret.js",
        "/favicon.ico", "/.well-known/other", "/.git", "/a%20b", "/a%00", "/a@b", "/a%2fb", "/%ff",
        "/a%3Cb", "/a:b", "/" + "x" * 1024, "/assets/", "/assets/other.js",
    ],
)  # fmt: skip
def test_other_addresses_show_nothing_of_the_disk(site: Site, path: str) -> None:
    assert get(site, path).status == 404


def test_files_with_a_hash_in_their_name_are_kept_for_ever(site: Site) -> None:
    response = get(site, "/assets/main-0a1b2c3d.js")
    assert (response.status, response.body) == (200, SCRIPT)
    assert response.content_type.startswith("text/javascript")
    assert "immutable" in response.headers["Cache-Control"]
    assert get(site, "/icon.svg").headers["Cache-Control"] == "no-cache"


def test_a_page_that_the_client_has_is_not_sent_again(site: Site) -> None:
    etag = get(site, "/room").headers["ETag"]
    assert get(site, "/other", if_none_match=f'"x", W/{etag}').status == 304
    assert get(site, "/other", if_none_match='"x"').status == 200


def test_text_is_compressed_when_the_client_takes_it(site: Site) -> None:
    response = get(site, "/", accept_encoding="br, gzip;q=0.8")
    assert response.headers["Content-Encoding"] == "gzip" and len(response.body) < len(INDEX)
    assert gzip.decompress(response.body) == INDEX
    assert response.headers["ETag"] != get(site, "/").headers["ETag"]
    assert response.headers["Vary"] == get(site, "/").headers["Vary"] == "Accept-Encoding"


def test_the_page_may_use_its_own_host_and_nothing_else(site: Site, settings: Settings) -> None:
    headers = get(site, "/").headers
    directives = headers["Content-Security-Policy"].split(";")
    policy = {name: value for name, _, value in (each.strip().partition(" ") for each in directives)}
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
    own = f"ws://127.0.0.1:{settings.front.port}"
    here = ("ws://h.example:8080", "wss://h.example:8080")
    bridge = "ws://127.0.0.1:8080"
    assert set(policy["connect-src"].split()) == {"'self'", "blob:", own, bridge, *here}
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "camera=(self)" in headers["Permissions-Policy"]
    injected = get(site, "/", host="h.example; script-src *").headers["Content-Security-Policy"]
    assert "*" not in injected


def test_a_page_built_anew_is_read_anew(site: Site, built: Path) -> None:
    get(site, "/")
    (built / "index.html").write_bytes(b"new")
    os.utime(built / "index.html", ns=(1, 1))
    assert get(site, "/").body == b"new"


def test_a_page_that_is_not_built_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    site = Site(settings, tmp_path / "missing")
    for path in ("/", "/room"):
        response = get(site, path)
        assert response.status == 503 and b"make setup" in response.body
    assert get(site, "/carillon.json").status == 200


def test_carillon_json_tells_a_page_where_everything_is(site: Site, settings: Settings) -> None:
    about = json.loads(get(site, "/carillon.json").body)
    assert set(about) == {"domain", "guest_domain", "muc", "focus", "websocket", "bosh", "p2p", "version"}
    assert about["websocket"] == f"ws://127.0.0.1:{settings.front.port}/xmpp-websocket?{MOVABLE}"
    assert about["bosh"] == f"http://127.0.0.1:{settings.front.port}/http-bind"
    assert about["guest_domain"] == "guest.localhost"
    assert about["p2p"] is True
    off = Site(replace(settings, front=replace(settings.front, p2p=False)))
    assert json.loads(get(off, "/carillon.json").body)["p2p"] is False


def test_host_meta_links_to_bosh_and_the_websocket_for_any_origin(settings: Settings, built: Path) -> None:
    secure = replace(settings, front=replace(settings.front, public_url="https://h.example/"))
    site = Site(secure, built)
    xml, as_json = get(site, "/.well-known/host-meta"), get(site, "/.well-known/host-meta.json")
    links = etree.fromstring(xml.body).findall("{http://docs.oasis-open.org/ns/xri/xrd-1.0}Link")
    expected = [
        {"rel": "urn:xmpp:alt-connections:xbosh", "href": "https://h.example/http-bind"},
        {"rel": "urn:xmpp:alt-connections:websocket", "href": "wss://h.example/xmpp-websocket"},
    ]
    assert json.loads(as_json.body) == {"links": expected}
    assert [dict(link.attrib) for link in links] == expected
    assert (xml.content_type, as_json.content_type) == ("application/xrd+xml", "application/json")
    for response in (xml, as_json):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
