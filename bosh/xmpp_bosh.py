"""One client's XMPP over BOSH, joined to its stream on the XMPP server: a shell around `BoshSession`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from bosh.bosh_body import Body, BoshError
from bosh.bosh_session import BoshSession, State
from bosh.metrics import MESSAGES, REFUSED, SESSIONS
from bosh.request_window import Exchange
from bosh.session_terms import Terms
from bosh.upstream import Upstream
from carillon.settings import Settings

log = structlog.get_logger()
_SESSIONS = SESSIONS.labels(kind="bosh")
_TO_SERVER = MESSAGES.labels(direction="to_server")


class XmppBosh:
    """Implements SessionOutput and UpstreamUser. What one read causes leaves in one write."""

    def __init__(
        self, settings: Settings, sid: str, terms: Terms, source: str, over: Callable[[], None]
    ) -> None:
        """`over` is called once, when the session is gone."""
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._source = source
        self._over = over
        domains = frozenset((settings.xmpp.domain, settings.xmpp.guest_domain))
        self.core = BoshSession(self, sid, terms, domains, settings.limits, now=self._loop.time())
        self._upstream = Upstream(self)
        self._upstream_full = False
        self._to_upstream: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        _SESSIONS.inc()

    @property
    def authenticated(self) -> bool:
        """Whether somebody has logged in on it."""
        return self.core.authenticated

    # the client

    def create(self, body: Body, exchange: Exchange) -> None:
        """Take the request that asks for the session."""
        self._act(self.core.create, body, exchange)

    def request(self, body: Body, exchange: Exchange) -> None:
        """Take any later request."""
        _TO_SERVER.inc(len(body.stanzas))
        self._act(self.core.request, body, exchange)

    def refuse(self, error: BoshError, exchange: Exchange) -> None:
        """End the session because of a request that cannot be read."""
        self.core.refuse(error, exchange)

    def detach(self, exchange: Exchange) -> None:
        """The connection of a request is lost."""
        self._act(self.core.detach, exchange)

    def shut_down(self) -> None:
        """The front stops."""
        self.core.shut_down()

    # SessionOutput

    def connect(self, domain: str) -> None:
        """Connect to the XMPP server: it serves all our domains."""
        self._upstream.connect_to_server(self._settings)

    def send_upstream(self, data: bytes) -> None:
        """Queue bytes for the server."""
        self._to_upstream.append(data)

    def close_upstream(self) -> None:
        """End the server's connection; it reads what is queued."""
        self._flush()
        self._upstream.leave()

    def read_upstream(self, wanted: bool) -> None:
        """Go on reading from the server, or not."""
        self._upstream.read(wanted)

    def refused(self, condition: str, text: str) -> None:
        """Count and log it."""
        REFUSED.labels("bosh", condition).inc()
        log.info("BOSH refused", source=self._source, condition=condition, reason=text)

    def over(self) -> None:
        """The session is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        _SESSIONS.dec()
        self._over()

    # UpstreamUser

    def upstream_made(self) -> None:
        """Connected."""
        self._act(self.core.connected)

    def upstream_failed(self, error: OSError) -> None:
        """Not connected."""
        log.warning("XMPP server not reachable", error=str(error) or "timed out")
        self._act(self.core.not_connected)

    def upstream_received(self, data: bytes) -> None:
        """Bytes of the server."""
        self._act(self.core.receive, data)

    def upstream_lost(self) -> None:
        """The server ended the connection."""
        self._act(self.core.lost)

    def apply_flow(self) -> None:
        """Tell the session when the server does not read. Not at once: it may be the one who asks."""
        if self._upstream.full is not self._upstream_full:
            self._upstream_full = self._upstream.full
            self._loop.call_soon(self._act, self.core.server_full, self._upstream_full)

    # what one step causes

    def _act(self, step: Callable[..., None], *arguments: object) -> None:
        """Have the session take one step, then write what it wants."""
        if self.core.state is State.GONE:
            return
        try:
            step(*arguments, self._loop.time())
        except Exception:  # whatever it is, the others' sessions go on
            log.exception("a session broke down", source=self._source)
            self.core.break_down()
        self._flush()
        self._rearm()

    def _flush(self) -> None:
        if self._to_upstream:
            data, self._to_upstream = b"".join(self._to_upstream), []
            self._upstream.write(data)

    def _rearm(self) -> None:
        """See to it that `tick` is called in time; too early does no harm."""
        if self.core.state is State.GONE:
            return
        due = self.core.deadline()
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._act(self.core.tick)
