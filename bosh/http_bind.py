"""/http-bind: every BOSH session of a front (XEP-0124), and what HTTP asks for around them."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable
from xml.sax.saxutils import escape

import structlog

from bosh.bosh_body import (
    BODY_OVERHEAD_BYTES,
    Body,
    BoshError,
    Condition,
    parse_body,
    sid_at,
    terminal_body,
)
from bosh.connection_limits import Admission, ConnectionLimits
from bosh.cross_origin import Origins
from bosh.http import HttpError, Request, Response, text_response
from bosh.http_exchange import HttpExchange
from bosh.metrics import MESSAGES, REFUSED
from bosh.predecessor import Predecessor
from bosh.server_stream import UNAUTHENTICATED_BYTES
from bosh.session_terms import CONTENT_TYPES, negotiate
from bosh.xmpp_bosh import XmppBosh
from carillon.settings import Settings

PATH = "/http-bind"

log = structlog.get_logger()
_TO_CLIENT = MESSAGES.labels(direction="to_client")
_PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>BOSH</title>
<h1>This is a BOSH address</h1><p>XMPP clients connect here (XEP-0124); there is nothing to see.</p></html>
"""


class BodyExchange:
    """An HTTP exchange whose response is a body of BOSH."""

    __slots__ = ("_exchange", "_headers", "content_type")

    def __init__(self, exchange: HttpExchange, headers: dict[str, str]) -> None:
        self._exchange = exchange
        self._headers = {"Cache-Control": "no-store", **headers}
        self.content_type = CONTENT_TYPES[0]

    def when_lost(self, call: Callable[[], None]) -> None:
        """Have this called when the client's connection is lost before the answer."""
        self._exchange.on_lost = call

    def respond(self, body: bytes) -> None:
        """Answer."""
        _TO_CLIENT.inc()
        self._exchange.respond(Response(200, body, self.content_type, self._headers))

    def refuse(self, status: int, text: str) -> None:
        """Answer without BOSH: there is no session."""
        headers = {**self._headers, "Retry-After": "10"}
        self._exchange.respond(text_response(status, text, headers))


class HttpBind:
    """The sessions of one front by their id."""

    def __init__(self, settings: Settings, origins: Origins) -> None:
        front = settings.front
        self._limits = ConnectionLimits(front.max_connections, front.max_connections_per_address)
        self._sessions: dict[str, XmppBosh] = {}
        self._stopping = False
        self.before: Predecessor | None = None
        """The front that this one has replaced, with the sessions that began there."""
        self.reload(settings, origins)

    def reload(self, settings: Settings, origins: Origins) -> None:
        """Take other settings, for sessions that begin from now on."""
        self._settings = settings
        self._origins = origins
        self._limits.reload(settings.front.max_connections, settings.front.max_connections_per_address)
        self.max_body_bytes = settings.limits.stanza_bytes + BODY_OVERHEAD_BYTES
        """A body may hold one stanza of the greatest length."""

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self._sessions)

    def drain(self) -> None:
        """Begin no new session; those there are go on."""
        self._stopping = True

    def body_bytes(self, beginning: bytes | bytearray) -> int:
        """How long a body that begins so may be: who has not logged in sends little."""
        session = self._sessions.get(sid_at(beginning) or "")
        theirs = session is None and self.before is not None
        return self.max_body_bytes if theirs or (session and session.authenticated) else UNAUTHENTICATED_BYTES

    def answer(self, request: Request) -> Response:
        """The response to what is not a POST. Raises HttpError."""
        if request.method == "OPTIONS":
            return self._origins.preflight(request)
        if request.query:
            raise HttpError(405, "BOSH is spoken with POST here", {"Allow": "OPTIONS, POST"})
        return Response(200, _PAGE, "text/html; charset=utf-8", {"Cache-Control": "no-store"})

    def post(self, request: Request, data: bytes, source: str, exchange: HttpExchange) -> None:
        """Take a body; the response may come much later."""
        waiting = BodyExchange(exchange, self._origins.headers(request))
        try:
            body = parse_body(data, self._settings.limits)
            if self.before is not None and self._is_theirs(body):
                waiting.when_lost(self.before.post(request, data, waiting).client_lost)
                return
            session = self._session(body)
            if session is None:
                self._create(body, waiting, source)
                return
        except BoshError as error:
            if session := self._sessions.get(sid_at(data) or ""):
                session.refuse(error, waiting)
                return
            REFUSED.labels("bosh", error.condition.value).inc()
            log.info("BOSH refused", source=source, condition=error.condition.value, reason=str(error))
            waiting.respond(terminal_body(error.condition))
            return
        waiting.content_type = session.core.terms.content_type
        waiting.when_lost(functools.partial(session.detach, waiting))
        session.request(body, waiting)

    def _is_theirs(self, body: Body) -> bool:
        """Whether the session, if it is one, began at the front of before."""
        if self.before is not None and self.before.gone:
            self.before = None
        sid = body.attributes.get("sid")
        return self.before is not None and sid is not None and sid not in self._sessions

    def _session(self, body: Body) -> XmppBosh | None:
        """The session that a body belongs to; None when it asks for one. Raises BoshError."""
        sid = body.attributes.get("sid")
        if sid is None:
            return None
        if session := self._sessions.get(sid):
            return session
        raise BoshError(Condition.ITEM_NOT_FOUND, "there is no such session")

    def _create(self, body: Body, waiting: BodyExchange, source: str) -> None:
        """Take the request for a session. Raises BoshError."""
        front = self._settings.front
        terms = negotiate(body, front.bosh_wait_s, front.bosh_inactivity_s)
        if self._stopping:
            raise BoshError(Condition.SYSTEM_SHUTDOWN, "the front stops")
        admission = self._limits.admit(source)
        if admission is not Admission.ADMITTED:
            REFUSED.labels("bosh", admission.value).inc()
            log.warning("BOSH session refused", source=source, limit=admission.value)
            waiting.refuse(429 if admission is Admission.SOURCE_FULL else 503, "too many sessions")
            return
        sid = secrets.token_hex(16)
        session = XmppBosh(self._settings, sid, terms, source, functools.partial(self._over, sid, source))
        self._sessions[sid] = session
        waiting.content_type = terms.content_type
        waiting.when_lost(functools.partial(session.detach, waiting))
        session.create(body, waiting)

    def _over(self, sid: str, source: str) -> None:
        del self._sessions[sid]
        self._limits.release(source)

    def shut_down(self) -> None:
        """End every session; no new one begins."""
        self.drain()
        for session in list(self._sessions.values()):
            session.shut_down()


def see_other_uri(uri: str) -> bytes:
    """The body that leads a client to where BOSH is served (XEP-0124 §17.2)."""
    return terminal_body(Condition.SEE_OTHER_URI, f"<uri>{escape(uri)}</uri>".encode())
