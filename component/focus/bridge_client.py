"""The HTTP client of the bridge: Colibri2 as JSON, in the REST form of Jitsi Videobridge."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import aiohttp

from component.focus.effects import BridgeAnswer, BridgeUnreachable
from jingle.colibri2 import Colibri2Error, ConferenceModify, modify_json, parse_modified_json

TIMEOUT_S = 5.0
"""The bridge allocates in milliseconds: one that takes longer is as good as gone."""
MAX_ANSWER = 1 << 20
MAX_CONNECTIONS = 32
SERVER_ERROR = 500
UNAVAILABLE = 503
"""In shutdown, or full: the one has a reason in Colibri2, the other has not, and both mean to wait."""
REASONS = {404: "conference_not_found", 409: "conference_already_exists"}
"""What a bridge means that gives no reason of its own."""


class BridgeClient:
    """Requests to one bridge."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._conferences = self.url + "/colibri/v2/conferences"
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Make the connection pool; nothing is connected yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        )

    async def stop(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(self, request: ConferenceModify) -> BridgeAnswer:
        """Send one request and read its answer; failures come back as values."""
        assert self._session is not None, "not started"
        if request.create:
            call = self._session.post(self._conferences, json=modify_json(request))
        else:
            url = f"{self._conferences}/{quote(request.meeting_id, safe='')}"
            call = self._session.patch(url, json=modify_json(request))
        try:
            async with call as response:
                return read_answer(response.status, await _body(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return BridgeUnreachable(str(error) or type(error).__name__)

    async def version(self) -> str | None:
        """What the bridge calls its version; None when it does not say, or does not answer."""
        about = await self._get(f"{self.url}/about/version")
        version = about.get("version") if isinstance(about, dict) else None
        return version if isinstance(version, str) and version.isprintable() else None

    async def figures(self, meeting_id: str) -> Any:
        """What the bridge tells an operator of a conference (component.focus.quality); None: nothing."""
        return await self._get(f"{self._conferences}/{quote(meeting_id, safe='')}")

    async def _get(self, url: str) -> Any:
        assert self._session is not None, "not started"
        try:
            async with self._session.get(url) as response:
                return await _body(response) if response.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


async def _body(response: aiohttp.ClientResponse) -> Any:
    data = await response.content.read(MAX_ANSWER + 1)
    while len(data) <= MAX_ANSWER and (more := await response.content.read(MAX_ANSWER + 1 - len(data))):
        data += more
    try:
        return json.loads(data) if len(data) <= MAX_ANSWER else None
    except (ValueError, RecursionError):
        return None


def read_answer(status: int, body: Any) -> BridgeAnswer:
    """What an HTTP status and a body (parsed JSON, None when it is none) mean."""
    if 200 <= status < 300:
        try:
            return parse_modified_json(body)
        except Colibri2Error as error:
            return BridgeUnreachable(f"not Colibri2: {error}")
    if status == UNAVAILABLE:
        return Colibri2Error("graceful_shutdown")
    reason = body.get("reason") if isinstance(body, dict) else None
    text = body.get("text") if isinstance(body, dict) else None
    if isinstance(reason, str) and reason:
        return Colibri2Error(reason, text if isinstance(text, str) else "")
    if status in REASONS:
        return Colibri2Error(REASONS[status])
    if status >= SERVER_ERROR and status != 501:
        return BridgeUnreachable(f"HTTP {status}")
    return Colibri2Error("unspecified", f"HTTP {status}")
