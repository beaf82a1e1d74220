"""The control API of the meetings: JSON over the component's UNIX socket, for `carillon rooms` and scripts.

A room is named by its JID in the path; all else is in the body. Errors are `{"error": TEXT}`: 404 for a room
or participant that is not there, 400 for a wrong body, 409 when the XMPP server refuses, 504 when it does not
answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from component.administration.words import in_words, refusal_in_words
from component.focus.oversight import MEDIA, Oversight, UnknownParticipant, UnknownRoom
from component.stanza_error import StanzaError

OPERATOR = "the operator"
"""Who acts through the socket: only the user that the component runs as may open it."""
_TIMEOUT = "remote-server-timeout"

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadBody(Exception):
    """A request that makes no sense; the text says why."""


class Routes:
    """See the module."""

    def __init__(self, oversight: Oversight) -> None:
        self._oversight = oversight

    def all(self) -> list[web.RouteDef]:
        """For the control API of the component."""
        room = "/rooms/{room}"
        return [
            web.get("/rooms", _answering(self._rooms)),
            web.get(f"{room}/participants", _answering(self._participants)),
            web.post(f"{room}/mute", _answering(self._mute)),
            web.post(f"{room}/remove", _answering(self._remove)),
            web.post(f"{room}/end", _answering(self._end)),
        ]

    async def _rooms(self, request: web.Request) -> web.Response:
        return web.json_response({"rooms": [asdict(one) for one in await self._oversight.rooms()]})

    async def _participants(self, request: web.Request) -> web.Response:
        return web.json_response(asdict(await self._oversight.participants(_room(request))))

    async def _mute(self, request: web.Request) -> web.Response:
        body = await _body(request, "nick", "media")
        media = body.get("media", MEDIA[0])
        if media not in MEDIA:
            raise BadBody(f"media is one of {', '.join(MEDIA)}")
        self._oversight.mute(_room(request), _nick(body), media, OPERATOR)
        return web.json_response({})

    async def _remove(self, request: web.Request) -> web.Response:
        body = await _body(request, "nick", "reason")
        await self._oversight.remove(_room(request), _nick(body), body.get("reason", ""), OPERATOR)
        return web.json_response({})

    async def _end(self, request: web.Request) -> web.Response:
        body = await _body(request, "reason")
        await self._oversight.end(_room(request), body.get("reason", ""), OPERATOR)
        return web.json_response({})


def _answering(handler: _Handler) -> _Handler:
    """The one place where errors become HTTP."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (UnknownRoom, UnknownParticipant) as error:
            return _refused(404, in_words(error))
        except BadBody as error:
            return _refused(400, str(error))
        except StanzaError as error:
            status = 504 if error.condition == _TIMEOUT else 409
            return _refused(status, refusal_in_words(error))

    return answer


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _room(request: web.Request) -> str:
    return request.match_info["room"]


def _nick(body: dict[str, str]) -> str:
    if not body.get("nick"):
        raise BadBody("nick is missing")
    return body["nick"]


async def _body(request: web.Request, *keys: str) -> dict[str, str]:
    """A JSON object of texts with no keys but these; nothing is an empty one."""
    if not request.can_read_body:
        return {}
    try:
        body: Any = await request.json()
    except (ValueError, RecursionError):
        raise BadBody("the body is not JSON") from None
    if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
        raise BadBody("the body is an object of texts")
    if unknown := sorted(body.keys() - set(keys)):
        raise BadBody(f"unknown: {unknown[0]!r:.60}; known are {', '.join(keys)}")
    return body
