"""The HTTP side of the bridge: what each kind of answer becomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from component.focus.bridge_client import MAX_ANSWER, BridgeClient, read_answer
from component.focus.effects import BridgeUnreachable
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify, Endpoint
from tests.ports import free_port

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["endpoints", "id", "transport", "sources", "reason", "text", "candidates"]),
            inner,
        )
    ),
    max_leaves=10,
)


class Bridge:
    """Answers every request with the next answer it was given."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b"{}"
        self.asked: list[tuple[str, str, Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.raw_path, await request.json()))
        return web.Response(status=self.status, body=self.body, content_type="application/json")


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    bridge = Bridge()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", bridge.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bridge.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield bridge
    await runner.cleanup()


@pytest.fixture
async def client(bridge: Bridge) -> AsyncIterator[BridgeClient]:
    client = BridgeClient(bridge.url)
    await client.start()
    yield client
    await client.stop()


async def test_a_conference_is_created_by_post_and_modified_by_patch(
    bridge: Bridge, client: BridgeClient
) -> None:
    create = ConferenceModify("m/1", create=True, endpoints=(Endpoint("a", create=True),))
    assert await client.ask(create) == ConferenceModified()
    assert await client.ask(ConferenceModify("m/1", expire=True)) == ConferenceModified()
    (first, second) = bridge.asked
    assert first[:2] == ("POST", "/colibri/v2/conferences")
    assert first[2]["meeting-id"] == "m/1" and first[2]["create"] is True
    assert second[:2] == ("PATCH", "/colibri/v2/conferences/m%2F1") and second[2]["expire"] is True


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, b'{"reason": "conference_not_found"}', "conference_not_found"),
        (404, b'{"reason": "unknown_endpoint", "text": "a"}', "unknown_endpoint"),
        (404, b"not found", "conference_not_found"),
        (409, b"", "conference_already_exists"),
        (503, b"{}", "graceful_shutdown"),
        (501, b"", "unspecified"),
        (400, b'{"reason": 5}', "unspecified"),
    ],
)
async def test_refusals_keep_their_reason(
    bridge: Bridge, client: BridgeClient, status: int, body: bytes, reason: str
) -> None:
    bridge.status, bridge.body = status, body
    answer = await client.ask(ConferenceModify("m"))
    assert isinstance(answer, Colibri2Error) and answer.reason == reason


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (502, b"<html>"), (200, b"<html>"), (200, b"[]"), (200, b"{" + b" " * MAX_ANSWER + b"}")],
)
async def test_what_is_no_colibri2_counts_as_no_answer(
    bridge: Bridge, client: BridgeClient, status: int, body: bytes
) -> None:
    bridge.status, bridge.body = status, body
    assert isinstance(await client.ask(ConferenceModify("m")), BridgeUnreachable)


async def test_a_dead_bridge_is_a_value_and_no_exception() -> None:
    client = BridgeClient(f"http://127.0.0.1:{free_port()}")
    await client.start()
    assert isinstance(await client.ask(ConferenceModify("m")), BridgeUnreachable)
    await client.stop()


@given(st.sampled_from([200, 400, 404, 409, 500, 503]), JSON)
def test_any_json_is_some_answer(status: int, body: Any) -> None:
    assert isinstance(read_answer(status, body), ConferenceModified | Colibri2Error | BridgeUnreachable)
