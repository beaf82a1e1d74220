"""Who asks much waits alone: the requests of a sender beyond its rate stand in a queue of its own.

A server works off what a component writes in the order it was written. Were thousands of requests of one
user answered as they come, everybody else's answers would stand behind these. So each sender has a number of
requests free; what comes beyond is let through a few at a time, turn by turn, and nobody else waits for it.
The stanzas of one sender stay in their order (RFC 6120 §10.1), whatever their kind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from xml.etree.ElementTree import Element

from carillon.guard.buckets import Buckets
from component.stanza import IQ

# A client that joins sends about thirty requests at once, and hardly one per second later.
BURST = 100
RATE_PER_S = 100.0
# 500 per second for all who wait together. The five of a turn cost Prosody about 1 ms: so much longer than at
# rest somebody else's answer may take.
TURN_S = 0.01
STANZAS_PER_TURN = 5
# About 4,500 small requests of one sender, which take nine seconds; and eight such senders.
MAX_WAITING_BYTES_PER_SENDER = 4 * 1024 * 1024
MAX_WAITING_BYTES = 32 * 1024 * 1024
_ELEMENT_BYTES = 400
_PASSED_ON = "*/{urn:xmpp:forward:0}forwarded/*"


Act = Callable[[Element], None]
"""What is to be done with a stanza."""


Sender = tuple[str, str]
"""Whom a stanza is from, and whom the one inside is from if a server passes one on."""


class Verdict(Enum):
    """When it is to be done."""

    NOW = "now"
    LATER = "later"
    """It waits: one of the next turns gives it."""
    TOO_MUCH = "too much"
    """Never: there is no room for it to wait."""


class _Queue:
    """The stanzas of one sender that wait, with the bytes they take."""

    def __init__(self) -> None:
        self.stanzas: deque[tuple[Act, Element, int]] = deque()
        self.bytes = 0


class Pacing:
    """Decides when each stanza is acted on."""

    def __init__(self) -> None:
        self._free = Buckets(RATE_PER_S, BURST)
        # In the order of their next turn.
        self._queues: dict[Sender, _Queue] = {}
        self._bytes = 0

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._queues)

    def arrived(self, stanza: Element, act: Act, now: float) -> Verdict:
        """When to act on a stanza. Answers to us, and what servers themselves send, never wait."""
        sender = _sender(stanza)
        is_iq = stanza.tag == IQ
        if sender is None or (is_iq and stanza.get("type") in ("result", "error")):
            return Verdict.NOW
        queue = self._queues.get(sender)
        if queue is None:
            if not is_iq or self._free.take(sender, now):
                return Verdict.NOW
            queue = _Queue()
        size = _bytes_of(stanza)
        if queue.bytes + size > MAX_WAITING_BYTES_PER_SENDER or self._bytes + size > MAX_WAITING_BYTES:
            return Verdict.TOO_MUCH
        self._queues[sender] = queue
        queue.stanzas.append((act, stanza, size))
        queue.bytes += size
        self._bytes += size
        return Verdict.LATER

    def turn(self) -> Iterator[tuple[Act, Element]]:
        """The stanzas whose turn it is, and what to do with them: one of each sender after the other."""
        for _ in range(STANZAS_PER_TURN):
            if not self._queues:
                return
            sender = next(iter(self._queues))
            queue = self._queues.pop(sender)
            act, stanza, size = queue.stanzas.popleft()
            queue.bytes -= size
            self._bytes -= size
            if queue.stanzas:
                self._queues[sender] = queue
            yield act, stanza

    def clear(self) -> None:
        """Forget what waits: the session in which it came is over."""
        self._queues.clear()
        self._bytes = 0


def _sender(stanza: Element) -> Sender | None:
    """Who asks; None for a server that speaks for itself."""
    sender = stanza.get("from", "")
    if "@" in sender or "/" in sender:
        return sender, ""
    passed_on = stanza.find(_PASSED_ON)  # as in XEP-0355
    return None if passed_on is None else (sender, passed_on.get("from", ""))


def _bytes_of(stanza: Element) -> int:
    """About how much memory a stanza takes."""
    return sum(
        _ELEMENT_BYTES
        + len(element.text or "")
        + len(element.tail or "")
        + sum(len(name) + len(value) for name, value in element.items())
        for element in stanza.iter()
    )
