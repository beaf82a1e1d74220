"""What happens with a received stanza: one dictionary look-up, one handler, one answer (RFC 6120 §8)."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from xml.etree.ElementTree import Element

import structlog

from component import stanza as stanzas
from component.link import metrics
from component.link.interface import IqHandler, StanzaHandler, StanzaTooLarge
from component.link.pacing import TURN_S, Act, Pacing, Verdict
from component.link.progress import Progress
from component.link.requests import Requests
from component.stanza import IQ, KINDS, Kind, StanzaInvalid
from component.stanza_error import StanzaError

# Handlers that wait for something: of all peers, and of one, so that no one can take the places of all.
MAX_RUNNING = 2000
MAX_RUNNING_PER_PEER = 100
# Longer than any handler's own time-outs: only what hangs reaches it.
HANDLER_TIMEOUT_S = 60.0

_log = structlog.get_logger()


class Dispatch:
    """Handlers by (type, payload tag), and the answers RFC 6120 asks for where there is none."""

    def __init__(
        self,
        domain: str,
        requests: Requests,
        send: Callable[[Element], None],
        clock: Callable[[], float] = time.monotonic,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        """`settled` is called when a stanza has been handled that took its time."""
        self._domain = domain
        self._requests = requests
        self._send = send
        self._clock = clock
        self._settled = settled
        self._progress = Progress()
        self._number: int | None = None
        """Of the stanza that is being acted on, unless it is handled when that is over."""
        self._iq_handlers: dict[tuple[str, str], IqHandler] = {}
        self._handlers: dict[Kind, list[StanzaHandler]] = {Kind.MESSAGE: [], Kind.PRESENCE: []}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: Counter[str] = Counter()
        self._session = 0
        self._pacing = Pacing()
        self._next_turn: asyncio.TimerHandle | None = None
        self._foreign_logged = False
        self._too_much_logged = False

    def on_iq(self, type: str, payload_tag: str, handler: IqHandler) -> None:
        """Let `handler` answer these IQs. There is one for each: a second one is a mistake (ValueError)."""
        if (type, payload_tag) in self._iq_handlers:
            raise ValueError(f"two handlers of {type} {payload_tag}")
        self._iq_handlers[type, payload_tag] = handler

    def on_stanza(self, kind: Kind, handler: StanzaHandler) -> None:
        """Call `handler` with every message or presence."""
        self._handlers[kind].append(handler)

    def receive(self, stanza: Element) -> None:
        """Act on a stanza, at once or when it is its sender's turn; raises nothing."""
        self._in_turn(stanza, self._act)

    def handled(self) -> int:
        """How many stanzas of this session have been handled, counted up to the first that has not."""
        return self._progress.handled(self._clock())

    def _in_turn(self, stanza: Element, act: Act) -> None:
        now = self._clock()
        number = self._progress.begin(now)
        verdict = self._pacing.arrived(stanza, partial(self._carry_out, number, act), now)
        if verdict is Verdict.NOW:
            self._carry_out(number, act, stanza)
        elif verdict is Verdict.LATER:
            metrics.WAITED.inc()
            if self._next_turn is None:
                self._next_turn = asyncio.get_running_loop().call_later(TURN_S, self._turn)
        else:
            self._carry_out(number, self._too_much, stanza)

    def _carry_out(self, number: int, act: Act, stanza: Element) -> None:
        self._number = number
        act(stanza)
        if self._number is not None:
            self._progress.done(number)

    def _turn(self) -> None:
        for act, stanza in self._pacing.turn():
            act(stanza)
        self._settled()
        self._next_turn = None
        if self._pacing:
            self._next_turn = asyncio.get_running_loop().call_later(TURN_S, self._turn)

    def _too_much(self, stanza: Element) -> None:
        metrics.REFUSED.labels("waiting").inc()
        if not self._too_much_logged:  # once in a session: the counter has the rest
            self._too_much_logged = True
            _log.warning("a sender asks faster than it is answered", sender=stanza.get("from"))
        self._refuse(StanzaError("resource-constraint", "too many requests wait"), stanza)

    def _act(self, stanza: Element) -> None:
        kind = KINDS.get(stanza.tag)
        if kind is None:
            metrics.IGNORED.labels("kind").inc()
            return
        metrics.RECEIVED[kind].inc()
        to = stanza.get("to", "")
        if to != self._domain and stanzas.domain(to) != self._domain:
            self._foreign()
        elif kind is Kind.IQ:
            self._receive_iq(stanza)
        else:
            for handler in self._handlers[kind]:
                try:
                    handler(stanza)
                except Exception as error:
                    _failed(kind, error)

    def refuse(self, stanza: Element) -> None:
        """Answer for a stanza that broke a limit, of which only the start tag is known.

        Only requests get an answer: a room takes an error to a message as the end of its occupant.
        """
        error = StanzaError("policy-violation", "the stanza is beyond a limit")
        self._in_turn(stanza, partial(self._refuse, error))

    def _refuse(self, error: StanzaError, stanza: Element) -> None:
        if stanza.tag == IQ and stanza.get("type") in ("get", "set") and _answerable(stanza):
            self._answer_error(stanza, error)

    def end_session(self) -> None:
        """What waits, and what handlers under way will answer, ends with its session: it is dropped."""
        self._session += 1
        self._progress = Progress()
        self._too_much_logged = False
        self._pacing.clear()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None

    def cancel(self) -> None:
        """End the handlers under way."""
        for task in self._tasks:
            task.cancel()

    def _foreign(self) -> None:
        metrics.IGNORED.labels("foreign-domain").inc()
        if not self._foreign_logged:
            self._foreign_logged = True
            _log.warning(
                "the server sends stanzas for other domains (ejabberd: set global_routes: false)",
                component=self._domain,
            )

    def _receive_iq(self, iq: Element) -> None:
        type_ = iq.get("type", "")
        if type_ in ("result", "error"):
            if not self._requests.settle(iq):
                metrics.IGNORED.labels("unsolicited").inc()
            return
        if not _answerable(iq):
            metrics.IGNORED.labels("unanswerable").inc()
            return
        if type_ not in ("get", "set") or len(iq) != 1:
            self._answer_error(iq, StanzaError("bad-request"))
            return
        handler = self._iq_handlers.get((type_, iq[0].tag))
        if handler is None:
            self._answer_error(iq, StanzaError("service-unavailable"))
            return
        try:
            answer = handler(iq)
        except StanzaError as error:
            self._answer_error(iq, error)
        except Exception as error:
            self._answer_failure(iq, error)
        else:
            if answer is None or isinstance(answer, Element):
                self._answer(iq, answer)
            else:
                self._run(iq, answer)

    def _run(self, iq: Element, answer: Awaitable[Element | None]) -> None:
        """Await the answer beside everything else."""
        peer = iq.get("from", "")
        if len(self._tasks) >= MAX_RUNNING or self._running[peer] >= MAX_RUNNING_PER_PEER:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
            self._answer_error(iq, StanzaError("resource-constraint"))
            return
        self._running[peer] += 1
        number, self._number = self._number, None
        progress = self._progress
        task = asyncio.ensure_future(self._await(iq, answer))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._ended(task, peer)
            if number is not None:
                progress.done(number)
                self._settled()

        task.add_done_callback(ended)

    def _ended(self, task: asyncio.Task[None], peer: str) -> None:
        self._tasks.discard(task)
        self._running[peer] -= 1
        if not self._running[peer]:
            del self._running[peer]

    async def _await(self, iq: Element, answer: Awaitable[Element | None]) -> None:
        session = self._session
        payload: Element | None = None
        failure: Exception | None = None
        try:
            async with asyncio.timeout(HANDLER_TIMEOUT_S):
                payload = await answer
        except Exception as error:
            failure = error
        if session != self._session:
            metrics.DROPPED.labels("stale").inc()
        elif failure is None:
            self._answer(iq, payload)
        elif isinstance(failure, StanzaError):
            self._answer_error(iq, failure)
        else:
            self._answer_failure(iq, failure)

    def _answer(self, iq: Element, payload: Element | None) -> None:
        try:
            self._send(stanzas.result(iq, payload))
        except (StanzaTooLarge, StanzaInvalid) as error:
            self._answer_failure(iq, error)

    def _answer_failure(self, iq: Element, error: Exception) -> None:
        _failed(Kind.IQ, error)
        self._answer_error(iq, StanzaError("internal-server-error"))

    def _answer_error(self, iq: Element, error: StanzaError) -> None:
        try:
            self._send(error.reply(iq))
        except (StanzaTooLarge, StanzaInvalid):
            metrics.DROPPED.labels("unwritable").inc()


def _answerable(iq: Element) -> bool:
    """Whether there is someone to answer and something to know the answer by."""
    return bool(iq.get("from")) and bool(iq.get("id"))


def _failed(kind: Kind, error: Exception) -> None:
    """Log where a handler failed, without the exception's text: it may hold what a user sent."""
    metrics.FAILURES.labels(kind.value).inc()
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    _log.error("a stanza handler failed", kind=kind.value, error=type(error).__name__, where=where)
