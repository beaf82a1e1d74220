"""The HTTP client of the bridge: Colibri2 as JSON, in the REST form of Jitsi Videobridge."""

from __future__ import annotations

import asyncio
import errno
import json
from typing import Any
from urllib.parse import quote

import aiohttp

from component.focus.bridge_health import Sign
from component.focus.bridge_report import BridgeReport, read_report
from component.focus.effects import BridgeAnswer, BridgeUnreachable
from jingle.colibri2 import Colibri2Error, ConferenceModify, modify_json, parse_modified_json

TIMEOUT_S = 5.0
"""The bridge allocates in milliseconds: one that takes longer is as good as gone."""
MAX_ANSWER = 1 << 20
MAX_CONNECTIONS = 32
SERVER_ERROR = 500
UNAVAILABLE = 503
"""In shutdown, or full: the one has a reason in Colibri2, the other has not, and both mean to wait."""
NOT_SERVED = {404, 405, 501}
"""A bridge without statistics."""
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

    async def report(self, timeout_s: float) -> BridgeReport | Sign:
        """What the bridge says of itself, or what it means that it does not.

        A JVB may have its statistics switched off: its health is asked for then, and tells as much.
        """
        try:
            async with asyncio.timeout(timeout_s):
                status, body = await self._look("/colibri/stats")
                if status in NOT_SERVED:
                    status, body = (await self._look("/about/health"))[0], {}
        except TimeoutError:
            return Sign.SILENT
        except aiohttp.ClientConnectorError as error:
            return Sign.REFUSED if error.os_error.errno == errno.ECONNREFUSED else Sign.SILENT
        except (aiohttp.ClientError, OSError):
            return Sign.SICK
        report = read_report(body) if status == 200 else None
        return report if report is not None else Sign.SICK

    async def _look(self, resource: str) -> tuple[int, Any]:
        """Over a connection of its own: nobody listening is an answer too, and a pool's may be an old one."""
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(self.url + resource) as response,
        ):
            return response.status, await _body(response)

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
