"""Who may call whom, how often, and how many at a time. No I/O.

Rights come from the address that the caller's server vouches for. A PIN, where one is wanted, is said once by
chat message; guesses are counted per account and all together, because a guest's account costs nothing.
"""

from __future__ import annotations

import hmac
from collections import Counter, OrderedDict
from collections.abc import Iterator
from enum import Enum
from typing import Final

from carillon.guard.buckets import Buckets
from carillon.settings import Settings
from component.calls.addresses import Callee
from component.calls.reasons import BUSY, CLOSED, STOPPING, STRANGER, TOO_FAST, TOO_MANY
from component.stanza import bare, domain
from jingle.content import Reason

UNLOCKED_S: Final = 600.0
"""How long who has said the PIN need not say it again."""
MAX_UNLOCKED: Final = 1000
MAX_SIGNALS: Final = 200
"""Requests of one account at once, and a tenth of that per second: candidates come one by one."""
SAID_PER_S, SAID_BURST = 1.0, 10
"""Messages of one account that are said in a room."""


class Guess(Enum):
    """What a guess of the PIN was."""

    RIGHT = "right"
    WRONG = "wrong"
    TOO_MANY = "too many"
    """Not looked at: its sender has guessed too often."""
    CROWDED = "crowded"
    """Not looked at: too many people guess."""


class Admission:
    """What callers may do."""

    def __init__(self, settings: Settings, pin: str) -> None:
        """`pin` is "" unless `calls.rooms` is "pin"."""
        self.draining = False
        """Whether no new call is taken."""
        self.reload(settings, pin)
        self._calls: Counter[str] = Counter()
        self._attempts = Buckets(0.5, 20)
        self._signals = Buckets(MAX_SIGNALS / 10, MAX_SIGNALS)
        self._words = Buckets(0.2, 10)
        self._said = Buckets(SAID_PER_S, SAID_BURST)
        self._guesses = Buckets(1 / 12, 5)
        self._all_guesses = Buckets(0.5, 30)
        self._unlocked: OrderedDict[str, float] = OrderedDict()
        self._newly_unlocked: set[str] = set()

    def reload(self, settings: Settings, pin: str) -> None:
        """Take other limits and another PIN; who has said the old one need not say the new one yet."""
        calls, xmpp = settings.calls, settings.xmpp
        self._domains = frozenset((xmpp.domain, xmpp.guest_domain, *calls.remote_domains))
        self._rooms = calls.rooms
        self._max_calls = calls.max_calls
        self._max_calls_per_user = calls.max_calls_per_user
        self._pin = pin

    def known(self, sender: str) -> bool:
        """Whether this is somebody who may call at all."""
        return domain(sender) in self._domains

    def refusal(self, sender: str, called: Callee, now: float) -> Reason | None:
        """Why `sender` may not begin a call to `called` now; None when it may. Each question counts."""
        if not self._attempts.take(bare(sender), now):
            return TOO_FAST
        if not self.known(sender):
            return STRANGER
        if self.draining:
            return STOPPING
        if self._rooms == "closed" and not called.is_echo:
            return CLOSED
        if self._calls.total() >= self._max_calls:
            return BUSY
        return TOO_MANY if self._calls[bare(sender)] >= self._max_calls_per_user else None

    def begun(self, sender: str) -> None:
        """A call of `sender` exists."""
        self._calls[bare(sender)] += 1

    def ended(self, sender: str) -> None:
        """A call of `sender` is over."""
        self._calls[bare(sender)] -= 1
        if not self._calls[bare(sender)]:
            del self._calls[bare(sender)]

    def may_signal(self, sender: str, now: float) -> bool:
        """Whether `sender` may send one more Jingle request, proposal or subscription."""
        return self._signals.take(bare(sender), now)

    def may_chat(self, sender: str, now: float) -> bool:
        """Whether `sender` gets an answer to one more chat message."""
        return self._words.take(bare(sender), now)

    def may_say(self, sender: str, now: float) -> bool:
        """Whether one more message of `sender` is said in a room."""
        return self._said.take(bare(sender), now)

    def wants_pin(self, sender: str, called: Callee, now: float) -> bool:
        """Whether `sender` has to say the PIN before it can reach `called`."""
        if self._rooms != "pin" or called.is_echo:
            return False
        return self._unlocked.get(bare(sender), now) <= now

    def says_pin(self, sender: str, guess: str, now: float) -> Guess:
        """What is to be thought of a guess."""
        if not self._pin or not self.known(sender):
            return Guess.WRONG
        if not self._guesses.take(bare(sender), now):
            return Guess.TOO_MANY
        if not self._all_guesses.take("", now):
            return Guess.CROWDED
        if not hmac.compare_digest(guess.encode(), self._pin.encode()):
            return Guess.WRONG
        self.unlock(bare(sender), now + UNLOCKED_S)
        return Guess.RIGHT

    def unlock(self, sender: str, until: float) -> None:
        """Let `sender`, a bare JID, call rooms without the PIN until then."""
        self._unlocked[sender] = until
        self._unlocked.move_to_end(sender)
        self._newly_unlocked.add(sender)
        if len(self._unlocked) > MAX_UNLOCKED:
            self._newly_unlocked.add(self._unlocked.popitem(last=False)[0])

    def unlocked(self) -> Iterator[tuple[str, float | None]]:
        """Who has been unlocked or forgotten since the last time, and until when; None = forgotten."""
        for sender in self._newly_unlocked:
            yield sender, self._unlocked.get(sender)
        self._newly_unlocked.clear()
