"""The REST interface, table by table, on a real listener."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bridge import strict_json
from bridge.main import Bridge
from carillon.part import PartError
from carillon.settings import BridgeSettings
from carillon.settings.rules import Addresses
from tests.bridge.media_client import BlindRouter

CREATE: dict[str, Any] = {
    "id": "a",
    "create": True,
    "capabilities": ["source-names"],
    "medias": [
        {
            "type": "audio",
            "payload-types": [{"id": "111", "name": "opus", "clockrate": "48000", "channels": "2"}],
        }
    ],
    "transport": {"ice-controlling": True},
}
ICE: dict[str, Any] = {
    "ufrag": "ufra",
    "pwd": "p" * 22,
    "fingerprints": [{"hash": "sha-256", "fingerprint": ":".join(["AA"] * 32), "setup": "active"}],
}
SOURCES = [{"type": "audio", "id": "a-a0", "sources": [{"ssrc": 1, "name": "a-a0"}]}]


def bridge_settings(**changes: Any) -> BridgeSettings:
    defaults: dict[str, Any] = {
        "rest": "127.0.0.1:0",
        "control": "",
        "address": Addresses(("127.0.0.1",)),
        "advertise": Addresses(("192.0.2.1",)),
        "port": 0,
        "websocket_url": "wss://meet.example/colibri-ws/",
        "max_endpoints": 3,
        "consent_timeout_s": 30.0,
    }
    return BridgeSettings(**{**defaults, **changes})


class Api:
    """A bridge and an HTTP client for it."""

    def __init__(self, bridge: Bridge, http: aiohttp.ClientSession) -> None:
        self.bridge = bridge
        self.http = http
        self.base = f"http://127.0.0.1:{bridge.rest_port}"

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        if body is not None:
            options["json"] = body
        async with self.http.request(method, self.base + path, **options) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith(("{", "[")) else text

    async def create(self, *endpoints: Any, meeting: str = "m") -> tuple[int, Any]:
        body = {"meeting-id": meeting, "name": "room@muc", "create": True, "endpoints": list(endpoints)}
        return await self.call("POST", "/colibri/v2/conferences", body)

    async def patch(self, *endpoints: Any, meeting: str = "m", **more: Any) -> tuple[int, Any]:
        body = {"endpoints": list(endpoints), **more}
        return await self.call("PATCH", f"/colibri/v2/conferences/{meeting}", body)

    def router(self) -> BlindRouter:
        router = self.bridge.registry.conferences["m"].router
        assert isinstance(router, BlindRouter)
        return router


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    bridge = Bridge(bridge_settings(), BlindRouter)
    await bridge.start()
    async with aiohttp.ClientSession() as http:
        yield Api(bridge, http)
    await bridge.stop()


async def test_a_created_endpoint_is_told_how_to_reach_the_bridge(api: Api) -> None:
    status, answer = await api.create(CREATE, meeting="meeting/1")
    assert status == 200
    (endpoint,) = answer["endpoints"]
    transport = endpoint["transport"]["transport"]
    assert endpoint["id"] == "a"
    assert len(transport["ufrag"]) == 8 and len(transport["pwd"]) == 24
    (fingerprint,) = transport["fingerprints"]
    assert (fingerprint["hash"], fingerprint["setup"]) == ("sha-256", "actpass")
    assert fingerprint["fingerprint"] == api.bridge.registry.certificate.fingerprint
    udp, tcp = transport["candidates"]
    assert api.bridge._port is not None
    for candidate, protocol in ((udp, "udp"), (tcp, "tcp")):
        assert (candidate["ip"], candidate["type"], candidate["protocol"]) == ("192.0.2.1", "host", protocol)
        assert candidate["port"] == str(api.bridge._port.port)
    assert tcp["tcptype"] == "passive" and "tcptype" not in udp
    assert int(tcp["priority"]) < int(udp["priority"])
    expected = f"wss://meet.example/colibri-ws/default-id/meeting%2F1/a?pwd={transport['pwd']}"
    assert transport["web-sockets"] == [expected]
    assert transport["rtcp-mux"] is True


async def test_a_client_may_be_the_dtls_server(api: Api) -> None:
    await api.create(CREATE)
    passive = {**ICE, "fingerprints": [{**ICE["fingerprints"][0], "setup": "passive"}]}
    status, _ = await api.patch({"id": "a", "transport": {"transport": passive}})
    assert status == 200


async def test_the_feedback_sources_come_with_what_is_created_and_not_again(api: Api) -> None:
    _, created = await api.create(CREATE)
    assert [(one["id"], one["type"], one["sources"][0]["ssrc"]) for one in created["sources"]] == [
        ("jvb-a0", "audio", 4712),
        ("jvb-v0", "video", 4711),
    ]
    _, updated = await api.patch({"id": "a", "medias": CREATE["medias"]})
    assert not updated.get("sources")


async def test_an_update_reaches_the_router(api: Api) -> None:
    await api.create(CREATE)
    update = {
        "id": "a",
        "medias": CREATE["medias"],
        "transport": {"transport": ICE},
        "sources": SOURCES,
        "force-mute": {"audio": True, "video": False},
        "initial-last-n": {"value": 5},
    }
    status, answer = await api.patch(update)
    assert status == 200, answer
    assert answer["endpoints"] == [{"id": "a"}]
    assert api.router().calls == [
        ("add_endpoint", "a", 1),
        ("set_media", "a", 1),
        ("set_sources", "a", ("a-a0",)),
        ("set_force_mute", "a", True, False),
        ("receive_message", "a", {"colibriClass": "LastNChangedEvent", "lastN": 5}),
    ]


async def test_endpoints_and_conferences_expire(api: Api) -> None:
    await api.create(CREATE)
    await api.patch({**CREATE, "id": "b"})
    status, answer = await api.patch({"id": "a", "expire": True}, {"id": "gone", "expire": True})
    assert status == 200
    assert answer["endpoints"] == [{"id": "a", "expire": True}, {"id": "gone", "expire": True}]
    assert set(api.bridge.registry.conferences["m"].endpoints) == {"b"}
    assert (await api.patch(expire=True))[0] == 200
    assert api.bridge.registry.conferences == {}
    assert api.bridge.registry.endpoints == set()


async def test_a_conference_ends_with_its_last_endpoint(api: Api) -> None:
    await api.create(CREATE)
    assert (await api.patch({"id": "a", "expire": True}))[0] == 200
    assert (await api.patch({"id": "a", "expire": True}))[0] == 404


async def test_several_endpoints_may_be_muted_at_once_even_unknown_ones(api: Api) -> None:
    await api.create(CREATE)
    mute = {"audio": True, "video": True}
    status, _ = await api.patch({"id": "a", "force-mute": mute}, {"id": "gone", "force-mute": mute})
    assert status == 200
    assert api.router().calls[-1] == ("set_force_mute", "a", True, True)


@pytest.mark.parametrize(
    ("endpoints", "status", "reason"),
    [
        ([{"id": "b", "sources": SOURCES}], 404, "unknown_endpoint"),
        ([{"id": "b", "transport": {"transport": ICE}}], 404, "unknown_endpoint"),
        ([CREATE], 409, "unspecified"),
        ([{**CREATE, "id": "b", "transport": None}], 400, "unspecified"),
        ([{**CREATE, "id": "b", "capabilities": []}], 400, "unspecified"),
        ([{**CREATE, "id": "b"}, {**CREATE, "id": "c"}], 501, "feature_not_implemented"),
        ([{"id": "a", "sources": SOURCES}, {"id": "b", "expire": True}], 501, "feature_not_implemented"),
        ([{"id": "a", "transport": {"transport": {**ICE, "pwd": ""}}}], 400, "unspecified"),
        ([{"id": "a", "transport": {"transport": {**ICE, "fingerprints": []}}}], 400, "unspecified"),
        (
            [
                {
                    "id": "a",
                    "transport": {
                        "transport": {
                            **ICE,
                            "fingerprints": [
                                {"hash": "sha-1", "fingerprint": ":".join(["AA"] * 20), "setup": "active"}
                            ],
                        }
                    },
                }
            ],
            400,
            "unspecified",
        ),
        ([{"id": ""}], 400, "unspecified"),
        ([{"id": "x" * 300, "expire": True}], 400, "unspecified"),
        ([{"create": True}], 400, "unspecified"),
        (["a"], 400, "unspecified"),
        (
            [
                {
                    "id": "a",
                    "sources": [
                        {"type": "audio", "id": f"a-a{n}", "sources": [{"ssrc": n + 1}]} for n in range(129)
                    ],
                }
            ],
            400,
            "unspecified",
        ),
    ],
)
async def test_refusals_have_jvbs_reasons(api: Api, endpoints: Any, status: int, reason: str) -> None:
    await api.create(CREATE)
    got, answer = await api.patch(*endpoints)
    assert (got, answer.get("reason")) == (status, reason), answer
    assert set(api.bridge.registry.conferences["m"].endpoints) == {"a"}


async def test_an_unknown_or_existing_conference_is_refused(api: Api) -> None:
    status, answer = await api.patch({"id": "a"}, meeting="other")
    assert (status, answer["reason"]) == (404, "conference_not_found")
    await api.create(CREATE)
    status, answer = await api.create({**CREATE, "id": "b"})
    assert (status, answer["reason"]) == (409, "conference_already_exists")
    body = {"meeting-id": "other", "endpoints": [CREATE]}
    status, answer = await api.call("POST", "/colibri/v2/conferences", body)
    assert (status, answer["reason"]) == (404, "conference_not_found")


async def test_a_conference_whose_first_endpoint_is_refused_does_not_stay(api: Api) -> None:
    status, _ = await api.create({**CREATE, "transport": None})
    assert status == 400
    assert api.bridge.registry.conferences == {}


async def test_the_number_of_endpoints_is_bounded(api: Api) -> None:
    await api.create(CREATE)
    for name in ("b", "c"):
        assert (await api.patch({**CREATE, "id": name}))[0] == 200
    status, answer = await api.patch({**CREATE, "id": "d"})
    assert (status, answer["reason"]) == (503, "unspecified")
    await api.patch({"id": "a", "expire": True})
    assert (await api.patch({**CREATE, "id": "d"}))[0] == 200


async def test_a_visitor_may_not_have_sources(api: Api) -> None:
    await api.create({**CREATE, "muc-role": "visitor"})
    assert (await api.patch({"id": "a", "sources": SOURCES}))[0] == 400


async def test_draining_refuses_new_conferences_only(api: Api) -> None:
    await api.create(CREATE)
    assert (await api.call("POST", "/colibri/drain/enable"))[0] == 200
    assert await api.call("GET", "/colibri/drain") == (200, {"drain": True})
    status, answer = await api.create(CREATE, meeting="other")
    assert (status, answer["reason"]) == (503, "graceful_shutdown")
    assert (await api.patch({**CREATE, "id": "b"}))[0] == 200
    await api.call("POST", "/colibri/drain/disable")
    assert (await api.create({**CREATE, "id": "c"}, meeting="other"))[0] == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"meeting-id":"m","meeting-id":"n","create":true}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b"{}", "text/plain", 415),
        (b'"' + b"x" * (1 << 18) + b'"', "application/json", 413),
    ],
)
async def test_bodies_that_are_no_request(api: Api, body: bytes, content_type: str, status: int) -> None:
    headers = {"Content-Type": content_type}
    assert (await api.call("POST", "/colibri/v2/conferences", data=body, headers=headers))[0] == status


async def test_a_browsers_request_is_refused(api: Api) -> None:
    headers = {"Origin": "https://evil.example"}
    assert (await api.call("GET", "/colibri/stats", headers=headers))[0] == 403


async def test_the_channels_path_does_not_lead_to_the_interface(api: Api) -> None:
    for path in ("/colibri-ws/../colibri/stats", "/colibri-ws/%2e%2e/colibri/stats", "//colibri/stats"):
        url = URL(api.base + path, encoded=True)
        async with api.http.get(url) as response:
            assert response.status in (403, 404)


async def test_health_version_statistics_and_a_look_into_a_conference(api: Api) -> None:
    assert (await api.call("GET", "/about/health"))[0] == 200
    assert (await api.call("GET", "/about/version"))[1]["name"] == "carillon"
    await api.create(CREATE)
    _, stats = await api.call("GET", "/colibri/stats")
    assert (stats["conferences"], stats["endpoints"], stats["largest_conference"]) == (1, 1, 1)
    assert stats["total_conferences_created"] == 1
    assert stats["stress_level"] == pytest.approx(1 / 3)
    status, shown = await api.call("GET", "/colibri/v2/conferences/m")
    assert status == 200
    assert shown["endpoints"]["a"]["connected"] is False
    assert "pwd" not in json.dumps(shown)
    assert (await api.call("GET", "/colibri/v2/conferences/none"))[0] == 404


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rest": "0.0.0.0:0"}, "loopback"),
        ({"rest": "nowhere"}, "address:port"),
        ({"address": Addresses(("192.0.2.1",))}, "cannot listen on UDP .* set bridge.address to one"),
    ],
)
async def test_settings_that_cannot_work_are_named(changes: dict[str, Any], words: str) -> None:
    bridge = Bridge(bridge_settings(**changes), BlindRouter)
    with pytest.raises(PartError, match=words):
        await bridge.start()
    assert bridge.trouble() is not None
    await bridge.stop()


async def test_a_rest_port_in_use_is_named_and_nothing_stays_open(api: Api) -> None:
    second = Bridge(bridge_settings(rest=f"127.0.0.1:{api.bridge.rest_port}"), BlindRouter)
    with pytest.raises(PartError, match=str(api.bridge.rest_port)):
        await second.start()
    assert second.trouble() == "the media port is not open"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    assert strict_json.parse(json.dumps(value)) == value


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_rubbish_raises_nothing_but_the_declared_error(data: bytes | str) -> None:
    try:
        strict_json.parse(data)
    except strict_json.JsonError:
        return


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', "NaN", "-Infinity", "1e999", "[" * 33 + "]" * 33, "[" * 99999],
)
def test_ambiguous_json_is_refused(text: str) -> None:
    with pytest.raises(strict_json.JsonError):
        strict_json.parse(text)
