"""Connections to the port without TLS: ACME challenges, and for everything else the way to HTTPS."""

from __future__ import annotations

from bosh.acme_challenge import challenge
from bosh.connection import Connection
from bosh.http import Request, text_response
from bosh.http_bind import PATH, BodyExchange, see_other_uri


class PlainConnection(Connection):
    """Answers as little as possible: no page, no WebSocket."""

    def _request(self, request: Request) -> None:
        front = self._context.settings.front
        response = challenge(front.acme_webroot, request.path)
        if response is None:
            target = request.path + (f"?{request.query}" if request.query else "")
            location = front.public_url.rstrip("/") + target
            response = text_response(308, "this is served over HTTPS", {"Location": location})
        self._send(response, request)

    def _post(self, request: Request, data: bytes) -> None:
        front = self._context.settings.front
        waiting = BodyExchange(self._exchange(request), self._context.origins.headers(request))
        waiting.respond(see_other_uri(front.public_url.rstrip("/") + PATH))
