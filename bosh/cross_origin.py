"""Which pages of other origins may use the front (RFC 6455 §10.2, the Fetch standard's CORS protocol)."""

from __future__ import annotations

from urllib.parse import urlsplit

from bosh.http import HttpError, Request, Response
from carillon.settings import FrontSettings

MAX_AGE_S = 86400
"""How long a browser need not ask again."""


class Origins:
    """The origins that may connect: those listed and our own; any when none is listed.

    Only browsers send Origin, and they always do; others cannot be made to connect by a page.
    """

    def __init__(self, front: FrontSettings) -> None:
        own = urlsplit(front.public_url)
        self._any = not front.origins
        self._listed = {f"{own.scheme}://{own.netloc}".lower(), *(name.lower() for name in front.origins)}

    def check(self, request: Request) -> None:
        """Refuse a request that a foreign page makes. Raises HttpError 403."""
        origin = request.headers.get("origin")
        if not self._any and origin is not None and origin.lower() not in self._listed:
            raise HttpError(403, "pages of this origin may not connect here")

    def headers(self, request: Request) -> dict[str, str]:
        """What lets the page of a request that was not refused read the response. Never with credentials."""
        origin = request.headers.get("origin")
        if origin is None:
            return {}
        if self._any:
            return {"Access-Control-Allow-Origin": "*"}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    def preflight(self, request: Request) -> Response:
        """The answer to OPTIONS of an address that is posted to."""
        allowed = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": str(MAX_AGE_S),
        }
        return Response(
            204, headers={"Allow": "GET, HEAD, OPTIONS, POST", **self.headers(request), **allowed}
        )
