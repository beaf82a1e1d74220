"""The ICE agent's own checks: those that wait for their turn, and those that wait for an answer.

All are triggered ones (RFC 8445 §7.3.1.4). They leave at most one in Ta, and are repeated until given up.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator

from bridge.ice_data import Address, Check, Checklist, IceRefused, Pair, PairState
from bridge.ice_messages import check_request
from bridge.ice_role import AgentRole
from carillon.stun import Message

PACING_S = 0.05
"""Ta (RFC 8445 §14.2): at most one new check in this time."""
RTO_S = 0.5
"""First retransmission time-out (RFC 8445 §14.3), doubled each time."""
MAX_SENDS = 6
"""Transmissions of one check: given up after 31.5 seconds."""
MAX_NOMINATION_SENDS = 3
"""Transmissions of a nominating check: its pair has just answered, so another is tried after 3.5 seconds."""
MAX_CHECKS = 64
"""Open transactions; the oldest makes room."""


class Checks:
    """See the module. `send` gets each one that is to leave."""

    def __init__(
        self, role: AgentRole, random_source: random.Random, send: Callable[[bytes, Address], None]
    ) -> None:
        self._role = role
        self._random = random_source
        self._send = send
        self._open: dict[bytes, Check] = {}
        """By transaction ID."""
        self._triggered: deque[tuple[Checklist, Pair]] = deque()
        self._pacing_ends = 0.0

    # Sending.

    def trigger(self, checklist: Checklist, pair: Pair) -> None:
        """Let the pair be checked in its turn; nothing happens before the client's credentials are known."""
        if checklist.remote is not None and (checklist, pair) not in self._triggered:
            self._triggered.append((checklist, pair))

    def send_triggered(self, now: float) -> None:
        """Send the first that waits, if the time between two is over."""
        while self._triggered and now >= self._pacing_ends:
            checklist, pair = self._triggered.popleft()
            if pair.state is PairState.WAITING:
                pair.state = PairState.IN_PROGRESS
                self.start(checklist, pair, now)
                self._pacing_ends = now + PACING_S

    def start(self, checklist: Checklist, pair: Pair, now: float, *, nominating: bool = False) -> None:
        """Send a check at once, in the place of earlier ones of this pair."""
        self._start(checklist, pair, now + RTO_S, RTO_S, nominating=nominating)

    def ask_consent(self, checklist: Checklist, pair: Pair, now: float, timeout_s: float) -> None:
        """Send a check of consent, which is not repeated; its answer counts for that time (RFC 7675 §5.1)."""
        self._start(checklist, pair, now + timeout_s, timeout_s, consent=True)

    def _start(
        self,
        checklist: Checklist,
        pair: Pair,
        due: float,
        timeout: float,
        *,
        nominating: bool = False,
        consent: bool = False,
    ) -> None:
        remote = pair.remote or checklist.remote
        if remote is None:
            return
        transaction_id = self._random.randbytes(12)
        role = self._role.now_is
        data = check_request(
            checklist.local,
            remote,
            transaction_id,
            role=role,
            tie_breaker=self._role.tie_breaker,
            nominating=nominating,
        )
        for earlier in self._open.values():
            if earlier.pair is pair and not earlier.consent:
                # its answer still counts, but it is not repeated (RFC 8445 §7.3.1.4)
                earlier.sent = MAX_SENDS
        while len(self._open) >= MAX_CHECKS:
            del self._open[next(iter(self._open))]
        self._open[transaction_id] = Check(
            checklist, pair, remote, data, role, nominating, consent, due=due, timeout=timeout
        )
        self._send(data, pair.address)

    # Answers.

    def expects(self, transaction_id: bytes) -> bool:
        """Whether a response with this transaction ID would be the answer to one of them."""
        return transaction_id in self._open

    def answered(self, response: Message, source: Address) -> Check:
        """The check that this response ends. Raises IceRefused, and nothing is ended, when it is none."""
        check = self._open.get(response.transaction_id)
        if check is None or check.pair.address != source:
            raise IceRefused("transaction")
        if not response.integrity_ok(check.remote.pwd.encode()):
            raise IceRefused("integrity")
        del self._open[response.transaction_id]
        return check

    # What is under way.

    @property
    def nominating(self) -> bool:
        """Whether one of them nominates."""
        return any(check.nominating for check in self._open.values())

    def __len__(self) -> int:
        """How many have no answer yet."""
        return len(self._open)

    def of(self, pair: Pair) -> bool:
        """Whether one of them has no answer from this pair yet."""
        return any(check.pair is pair for check in self._open.values())

    def forget(self, pair: Pair) -> None:
        """The pair is no more."""
        for transaction_id in [key for key, check in self._open.items() if check.pair is pair]:
            del self._open[transaction_id]
        self._triggered = deque(entry for entry in self._triggered if entry[1] is not pair)

    def clear(self) -> None:
        """Give all of them up."""
        self._open.clear()
        self._triggered.clear()

    # Time.

    def times(self) -> list[float]:
        """When `repeat` or `send_triggered` has something to do."""
        times = [check.due for check in self._open.values()]
        if self._triggered:
            times.append(self._pacing_ends)
        return times

    def repeat(self, now: float) -> Iterator[Check]:
        """Repeat those that are due; gives those that have failed, one by one: others may begin meanwhile."""
        for transaction_id, check in list(self._open.items()):
            if check.due > now or transaction_id not in self._open:
                continue
            limit = 1 if check.consent else MAX_NOMINATION_SENDS if check.nominating else MAX_SENDS
            superseded = check.pair.state is PairState.SUCCEEDED and not check.nominating
            if check.sent >= limit or superseded:
                del self._open[transaction_id]
                if not superseded:
                    yield check
                continue
            check.sent += 1
            check.timeout *= 2
            check.due = now + check.timeout
            self._send(check.data, check.pair.address)
