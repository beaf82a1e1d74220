"""One session of XMPP over BOSH (XEP-0124, XEP-0206), joined to a stream to the server. No I/O.

Requests come in, each with the exchange that waits for the response, and bytes of the server, and `now` with
each; a `SessionOutput` is told what to do. `deadline` says when `tick` is due.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from bosh.bosh_body import Body, BoshError, Condition, encode_body, terminal_body
from bosh.bosh_responses import Responses
from bosh.overactivity import Overactivity
from bosh.request_window import Arrival, Exchange, RequestWindow
from bosh.server_stream import (
    PENDING_BYTES,
    STREAMS,
    ServerConnection,
    ServerStream,
    StreamRefused,
    stream_error,
)
from bosh.server_stream import State as StreamState
from bosh.session_terms import Terms, opening
from bosh.stanza_framer import Stanza, StreamHeader
from bosh.stream_conditions import condition_of, condition_of_ours, condition_of_server
from carillon.settings import LimitSettings

FEATURES_WAIT_S = 2.0
"""How long the first response waits for the server's features: a client without them has to ask again."""

_RECOVERABLE = encode_body({"type": "error"})


class State(Enum):
    """Where a session stands."""

    OPEN = auto()
    FINISHED = auto()
    """the server's side is over, which the client has still to be told"""
    ENDED = auto()
    """the client was told, and may repeat the request if it did not hear"""
    GONE = auto()


class SessionOutput(ServerConnection, Protocol):
    """What a session asks of those around it."""

    def read_upstream(self, wanted: bool) -> None:
        """Go on reading from the server, or not."""

    def refused(self, condition: str, text: str) -> None:
        """The session ends because of what somebody did: to be counted and logged."""

    def over(self) -> None:
        """The session is gone: nothing will be asked any more."""


class BoshSession:
    """One session. The caller serialises the calls; none raises, whatever the input is."""

    __slots__ = (
        "_condition", "_login_by", "_output", "_overactivity", "_pending", "_pending_bytes",
        "_responses", "_server", "_window", "state", "terms",
    )  # fmt: skip

    def __init__(
        self,
        output: SessionOutput,
        sid: str,
        terms: Terms,
        domains: frozenset[str],
        limits: LimitSettings,
        *,
        now: float,
    ) -> None:
        """`domains` are those that are served. Times are seconds of any clock."""
        self._output = output
        self.terms = terms
        self._window = RequestWindow(terms.first_rid, terms.requests)
        self._server = ServerStream(output, self, domains, limits)
        self._pending: list[Stanza] = []
        """What the client sent before the server's stream was open."""
        self._pending_bytes = 0
        self._overactivity = Overactivity(terms.polls, now)
        self._responses = Responses(
            sid, terms, self._window, self._overactivity, output.read_upstream, now=now
        )
        self._condition: Condition | None = None
        self._login_by = now + limits.handshake_timeout_s
        self.state = State.OPEN

    @property
    def authenticated(self) -> bool:
        """Whether the server has accepted a login."""
        return self._server.authenticated

    # the client

    def create(self, body: Body, exchange: Exchange, now: float) -> None:
        """Take the request that asks for the session."""
        self._window.take(exchange, now + min(self.terms.wait_s, FEATURES_WAIT_S))
        try:
            self._server.open(self.terms.opening)
            self._pass_on(body.stanzas)
        except (BoshError, StreamRefused) as error:
            self._refuse(condition_of(error), str(error))
        self._settle(now)

    def request(self, body: Body, exchange: Exchange, now: float) -> None:
        """Take any later request."""
        try:
            rid = body.rid()
            if "stream" in body.attributes:
                raise BoshError(Condition.ITEM_NOT_FOUND, "a session has one stream here")
        except BoshError as error:
            self.refuse(error, exchange)
            return
        self._responses.quiet_since = now
        match self._window.arrival(rid):
            case Arrival.UNANSWERED:
                if before := self._window.replace(rid, exchange):
                    before.respond(_RECOVERABLE)
            case Arrival.ANSWERED:
                exchange.respond(self._window.kept(rid))
            case Arrival.NEXT | Arrival.EARLY if self.state is State.ENDED:
                exchange.respond(terminal_body(Condition.ITEM_NOT_FOUND))
            case Arrival.NEXT:
                self._take_all(body, exchange, now)
            case Arrival.EARLY:
                self._window.keep_early(rid, body, exchange)
            case Arrival.FORGOTTEN:
                self.refuse(
                    BoshError(Condition.ITEM_NOT_FOUND, "the response is not kept any more"), exchange
                )
            case Arrival.BEYOND:
                self.refuse(BoshError(Condition.ITEM_NOT_FOUND, "a request beyond the window"), exchange)
        self._settle(now)

    def refuse(self, error: BoshError, exchange: Exchange) -> None:
        """End the session because of a request that cannot be taken."""
        exchange.respond(terminal_body(error.condition))
        self._refuse(error.condition, str(error))

    def detach(self, exchange: Exchange, now: float) -> None:
        """The connection of a request is lost; the session goes on."""
        self._window.detach(exchange)
        self._responses.quiet_since = now

    def _take_all(self, body: Body, exchange: Exchange, now: float) -> None:
        """Take a request, and those that came before their time."""
        following: tuple[Body, Exchange] | None = body, exchange
        while following is not None and self.state in (State.OPEN, State.FINISHED):
            body, exchange = following
            self._window.take(exchange, now + self.terms.wait_s)
            if self.state is State.OPEN:
                try:
                    self._take(body, now)
                except (BoshError, StreamRefused) as error:
                    self._refuse(condition_of(error), str(error))
            following = self._window.next_early()

    def _take(self, body: Body, now: float) -> None:
        if self.terms.keys is not None:
            self.terms.keys.check(body)
        if self._overactivity.too_much(body.empty, self._window.used_up, now):
            raise BoshError(Condition.POLICY_VIOLATION, "too many requests that ask for nothing")
        if body.xmpp.get("restart") == "true":
            self._server.open({**self.terms.opening, **opening(body)})
        self._pass_on(body.stanzas)
        if body.attributes.get("type") == "terminate":
            self._terminate(now)
        asks = any(stanza.name == "iq" for stanza in body.stanzas)
        self._responses.expect(asks, now)

    def _pass_on(self, stanzas: list[Stanza]) -> None:
        """Send to the server, at once or when its stream is open."""
        for stanza in stanzas:
            if self._server.state is StreamState.OPEN:
                self._server.send(stanza)
                continue
            self._pending.append(stanza)
            self._pending_bytes += len(stanza.data)
            if self._pending_bytes > PENDING_BYTES:
                raise BoshError(Condition.POLICY_VIOLATION, "too much before the stream is open")

    def _terminate(self, now: float) -> None:
        """The client ends the session; what it said before reaches the server."""
        if self._server.state is StreamState.OPEN:
            self._server.end()
        self._server.close()
        self._responses.answer_beyond(1, now)
        self._responses.answer_last(None)
        self._vanish(terminal_body(None))

    # the server

    def connected(self, now: float) -> None:
        """The connection that `connect` asked for is there."""
        self._server.connected()
        self._settle(now)

    def not_connected(self, now: float) -> None:
        """The connection that `connect` asked for cannot be made."""
        self._server.not_connected()
        self._settle(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes of the server."""
        self._server.receive(data)
        self._settle(now)

    def lost(self, now: float) -> None:
        """The server's connection ended."""
        self._server.lost()
        self._settle(now)

    def server_full(self, full: bool, now: float) -> None:
        """The server takes no more bytes, or does again: till then the client's requests wait."""
        self._responses.held_up = full
        self._settle(now)

    # StreamListener

    def stream_opened(self, header: StreamHeader) -> None:
        """Send what the client has sent meanwhile."""
        self._responses.server_attributes = header.attributes
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        try:
            self._pass_on(pending)
        except (BoshError, StreamRefused) as error:
            self._refuse(condition_of(error), str(error))

    def stream_element(self, element: Stanza) -> None:
        """Keep it for the next response."""
        self._responses.put(element.data)
        if element.namespace == STREAMS and element.name == "error":
            self._finish(condition_of_server(element))
        elif self._responses.full:
            self._output.read_upstream(False)

    def stream_ended(self) -> None:
        """The server ended the stream as it should."""
        self._finish(None)

    def stream_failed(self, condition: str, text: str) -> None:
        """The stream cannot go on."""
        self._output.refused(condition, text)
        told = condition_of_ours(condition)
        if told is Condition.REMOTE_STREAM_ERROR and self.state is State.OPEN:
            self._responses.put(stream_error(condition, text))
        self._finish(told)

    # responses

    def _settle(self, now: float) -> None:
        """Answer the requests whose time has come."""
        if self.state is State.FINISHED and self._window.attended:
            self._tell_end(now)
        if self.state is State.OPEN:
            self._responses.settle(now)

    def _tell_end(self, now: float) -> None:
        """The client hears that the server's side is over."""
        self._responses.tell_end(self._condition, now)
        self.state = State.ENDED
        if not self._responses.created:
            self._vanish(terminal_body(self._condition))  # nobody knows its name

    # ends

    def _finish(self, condition: Condition | None) -> None:
        """The server's side is over."""
        if self.state is State.OPEN:
            self.state, self._condition = State.FINISHED, condition
            self._server.close()

    def _refuse(self, condition: Condition, text: str) -> None:
        if self.state in (State.OPEN, State.FINISHED):
            self._output.refused(condition.value, text)
        self._server.close()
        self._vanish(terminal_body(condition))

    def _vanish(self, last: bytes) -> None:
        """Answer all that waits with `last`; nothing of the session remains."""
        if self.state is State.GONE:
            return
        self.state = State.GONE
        self._window.dismiss(last)
        self._output.over()

    def shut_down(self) -> None:
        """The front stops; the server keeps a session with XEP-0198 because the stream is not ended."""
        self._server.close()
        self._vanish(terminal_body(Condition.SYSTEM_SHUTDOWN))

    def break_down(self) -> None:
        """Something went wrong in the front itself."""
        self._refuse(Condition.INTERNAL_SERVER_ERROR, "a fault of the front")

    # time

    def deadline(self) -> float:
        """When `tick` is due."""
        silence_ends = self._responses.quiet_since + self.terms.inactivity_s
        if self.state is not State.OPEN:
            return silence_ends
        times = self._responses.due()
        if not self._window.attended:
            times.append(silence_ends)
        if not self._server.authenticated:
            times.append(self._login_by)
        return min(times, default=silence_ends)

    def tick(self, now: float) -> None:
        """Do what is due."""
        silent = self.state is not State.OPEN or not self._window.attended
        if silent and now >= self._responses.quiet_since + self.terms.inactivity_s:
            self._server.close()
            self._vanish(terminal_body(Condition.ITEM_NOT_FOUND))  # one may wait for another that never came
        elif self.state is State.OPEN and not self._server.authenticated and now >= self._login_by:
            self._refuse(Condition.UNDEFINED_CONDITION, "no login in time")
        elif self.state is State.OPEN:
            self._responses.answer_overdue(now)
            self._settle(now)
