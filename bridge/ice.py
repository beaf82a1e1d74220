"""The full, controlling, nominating ICE agent of one endpoint (RFC 8445, RFC 7675). Sans-I/O.

Its local candidates are the bridge's UDP and passive TCP ports. It learns remote candidates only from checks
that carry the right password: what a client signals is never contacted, or the bridge would be a scanner on
request.
All checks are triggered ones. Feed `receive` and `handle_timeout`, drain `events`, come back at `timeout`.
"""

from __future__ import annotations

import math
import random
from collections import deque

from bridge.ice_data import (
    MAX_PAIRS,
    Address,
    Check,
    Checklist,
    ConsentLost,
    ConsentRenewed,
    Credentials,
    Forgotten,
    IceEvent,
    IceRefused,
    Learned,
    Pair,
    PairState,
    Role,
    Selected,
    Send,
    Validated,
)
from bridge.ice_messages import (
    ROLE_CONFLICT,
    check_request,
    error_code_of,
    role_conflict_response,
    success_response,
)
from carillon.stun import Attribute, Message, MessageClass, Method

PACING_S = 0.05
"""Ta (RFC 8445 §14.2): at most one new check in this time."""
RTO_S = 0.5
"""First retransmission time-out (RFC 8445 §14.3), doubled each time."""
MAX_SENDS = 6
"""Transmissions of one check: given up after 31.5 seconds."""
MAX_NOMINATION_SENDS = 3
"""Transmissions of a nominating check: its pair has just answered, so another is tried after 3.5 seconds."""
NOMINATION_WAIT_S = 0.05
"""How long the first good pair waits for a better one: the client's pairs arrive within milliseconds."""
TCP_NOMINATION_WAIT_S = 0.5
"""The same while only pairs over TCP are good: UDP may just have lost a packet."""
STALE_S = 3.0
"""The selected pair is stale when nothing came from it for this time (Chromium checks it every 2.5 s)."""
FORGET_S = 60.0
"""A pair that is not selected is forgotten when the client has not been heard there for this time."""
CONSENT_INTERVAL_S = 5.0
"""Between consent checks, times 0.8 to 1.2 (RFC 7675 §5.1)."""
MAX_CHECKS = 64
"""Open transactions; the oldest makes room."""


class IceAgent:
    """See the module. `random_source` must be a cryptographic one outside tests."""

    def __init__(
        self,
        local: Credentials,
        *,
        random_source: random.Random,
        consent_timeout_s: float,
        controlling: bool = True,
    ) -> None:
        self.role = Role.CONTROLLING if controlling else Role.CONTROLLED
        self.selected: Pair | None = None
        self.closed = False
        self._random = random_source
        self._consent_timeout_s = consent_timeout_s
        self._tie_breaker = random_source.getrandbits(64)
        self._checklists = [Checklist(local)]
        self._selected_list = self._checklists[0]
        self._checks: dict[bytes, Check] = {}
        self._triggered: deque[tuple[Checklist, Pair]] = deque()
        self._pacing_ends = 0.0
        self._consent_due = 0.0
        self._consent_expires = 0.0
        self._events: list[IceEvent] = []

    # What the owner knows and asks.

    @property
    def local(self) -> Credentials:
        """Our newest credentials."""
        return self._checklists[-1].local

    def ufrags(self) -> tuple[str, ...]:
        """All fragments of ours that a check may name: two during a restart."""
        return tuple(checklist.local.ufrag for checklist in self._checklists)

    def addresses(self) -> set[Address]:
        """Every address learned and not forgotten."""
        return {address for checklist in self._checklists for address in checklist.pairs}

    def validated(self, address: Address) -> bool:
        """Whether the client has answered a check of ours at this address."""
        pairs = (checklist.pairs.get(address) for checklist in self._checklists)
        return any(pair is not None and pair.state is PairState.SUCCEEDED for pair in pairs)

    def expects(self, transaction_id: bytes) -> bool:
        """Whether a response with this transaction ID would be the answer to a check of ours."""
        return transaction_id in self._checks

    def events(self) -> list[IceEvent]:
        """What happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def set_remote(self, remote: Credentials, now: float) -> None:
        """The client's credentials have arrived: check every source learned so far."""
        checklist = self._checklists[-1]
        if any(one.remote == remote for one in self._checklists):
            return  # the same again, or what came before the restart
        checklist.remote = remote
        for pair in sorted(checklist.pairs.values(), key=lambda pair: pair.rank, reverse=True):
            pair.state = PairState.WAITING
            self._trigger(checklist, pair)
        self._send_triggered(now)

    def restart(self, local: Credentials) -> None:
        """Begin an ICE restart: new credentials beside the old ones until a new pair is selected."""
        while len(self._checklists) > 1:  # an earlier restart that came to nothing
            unused = next(one for one in self._checklists if one is not self._selected_list)
            self._drop_checklist(unused)
        self._checklists.append(Checklist(local))

    def lose(self, address: Address) -> None:
        """The connection to this address is closed: nothing can be sent there any more."""
        for checklist in self._checklists:
            pair = checklist.pairs.get(address)
            if pair is None:
                continue
            if (
                pair is self.selected
            ):  # the client makes another connection: the first pair that works is followed
                pair.state, pair.heard_at = PairState.FAILED, -math.inf
            else:
                self._forget(checklist, pair)

    def close(self) -> None:
        """Stop for good: nothing is sent or accepted any more."""
        self.closed = True
        self.selected = None
        self._checks.clear()
        self._triggered.clear()

    # Input: messages.

    def receive(self, message: Message, source: Address, now: float) -> None:
        """Take one parsed STUN message. Raises IceRefused, no pair changed, when it is not acceptable."""
        if self.closed:
            raise IceRefused("closed")
        if message.method != Method.BINDING or message.cls is MessageClass.INDICATION:
            raise IceRefused("malformed")
        if message.cls is MessageClass.REQUEST:
            self._receive_request(message, source, now)
        else:
            self._receive_response(message, source, now)
        self._send_triggered(now)

    def _receive_request(self, message: Message, source: Address, now: float) -> None:
        checklist = self._authenticated(message)
        priority = message.get(Attribute.PRIORITY)
        if priority is None or len(priority) != 4:
            raise IceRefused("malformed")
        if not self._agree_on_role(message, checklist, source):
            return
        self._events.append(Send(success_response(message, source, checklist.local.pwd), source))
        pair = checklist.pairs.get(source)
        if pair is None:
            pair = self._learn(checklist, source, int.from_bytes(priority, "big"), now)
        pair.heard_at = now
        if self.role is Role.CONTROLLED and message.get(Attribute.USE_CANDIDATE) is not None:
            pair.nominated = True
            if pair.state is PairState.SUCCEEDED:
                self._select(checklist, pair, now)
        if pair.state is not PairState.SUCCEEDED:
            pair.state = PairState.WAITING
            self._trigger(checklist, pair)
        elif self._should_follow(checklist, pair, now):
            self._check(checklist, pair, now, nominating=True)

    def _authenticated(self, message: Message) -> Checklist:
        """The checklist whose fragment stands left of the colon and whose password signed the message."""
        name, colon, _ = (message.get(Attribute.USERNAME) or b"").partition(b":")
        for checklist in self._checklists:
            if colon and checklist.local.ufrag.encode() == name:
                if not message.integrity_ok(checklist.local.pwd.encode()):
                    raise IceRefused("integrity")
                return checklist
        raise IceRefused("username")

    def _agree_on_role(self, message: Message, checklist: Checklist, source: Address) -> bool:
        """Settle a role conflict (RFC 8445 §7.3.1.1). False: the client was told to switch."""
        mine = Attribute.ICE_CONTROLLING if self.role is Role.CONTROLLING else Attribute.ICE_CONTROLLED
        theirs = message.get(mine)
        if theirs is None:
            return True
        if len(theirs) != 8:
            raise IceRefused("malformed")
        keeps_controlling = self._tie_breaker >= int.from_bytes(theirs, "big")
        if keeps_controlling == (self.role is Role.CONTROLLING):
            self._events.append(Send(role_conflict_response(message, checklist.local.pwd), source))
            return False
        self._switch_role()
        return True

    def _switch_role(self) -> None:
        self.role = Role.CONTROLLED if self.role is Role.CONTROLLING else Role.CONTROLLING

    def _receive_response(self, message: Message, source: Address, now: float) -> None:
        check = self._checks.get(message.transaction_id)
        if check is None or check.pair.address != source or check.checklist.remote is None:
            raise IceRefused("transaction")
        if not message.integrity_ok(check.checklist.remote.pwd.encode()):
            raise IceRefused("integrity")
        del self._checks[message.transaction_id]
        check.pair.heard_at = now
        if message.cls is MessageClass.ERROR:
            self._receive_error(message, check, now)
        else:
            self._succeed(check, now)

    def _receive_error(self, message: Message, check: Check, now: float) -> None:
        if error_code_of(message) != ROLE_CONFLICT:
            self._fail(check, now)
            return
        if check.asked_as is self.role:
            self._switch_role()
            self._tie_breaker = self._random.getrandbits(64)  # RFC 8445 §7.2.5.1
        check.pair.state = PairState.WAITING
        self._trigger(check.checklist, check.pair)

    def _succeed(self, check: Check, now: float) -> None:
        checklist, pair = check.checklist, check.pair
        if pair.state is not PairState.SUCCEEDED:
            pair.state = PairState.SUCCEEDED
            self._events.append(Validated(pair.address))
        if pair is self.selected:
            self._consent_expires = now + self._consent_timeout_s
            self._events.append(ConsentRenewed())
        if check.nominating or (pair.nominated and self.role is Role.CONTROLLED):
            self._select(checklist, pair, now)
        elif self.role is Role.CONTROLLING and self.selected not in checklist.pairs.values():
            if not self._nominating():
                self._nominate_soon(checklist, pair, now)
        elif self._should_follow(checklist, pair, now):
            self._check(checklist, pair, now, nominating=True)

    def _nominate_soon(self, checklist: Checklist, pair: Pair, now: float) -> None:
        """A first pair, or a first one over UDP, has succeeded."""
        udp, _ = pair.rank
        at = now + (NOMINATION_WAIT_S if udp else TCP_NOMINATION_WAIT_S)
        checklist.nominate_at = at if checklist.nominate_at is None else min(checklist.nominate_at, at)

    def _should_follow(self, checklist: Checklist, pair: Pair, now: float) -> bool:
        """Whether the client seems to have left the selected pair for this one, which works.

        Or whether this one is over UDP while the selected one is not.
        """
        selected = self.selected
        if selected is None or pair is selected or self.role is not Role.CONTROLLING:
            return False
        if checklist is not self._checklists[-1] or self._nominating():
            return False
        return now - selected.heard_at > STALE_S or pair.rank[0] > selected.rank[0]

    def _nominating(self) -> bool:
        return any(check.nominating for check in self._checks.values())

    # Pairs.

    def _learn(self, checklist: Checklist, source: Address, priority: int, now: float) -> Pair:
        if len(checklist.pairs) >= MAX_PAIRS:
            others = (pair for pair in checklist.pairs.values() if pair is not self.selected)
            self._forget(
                checklist, min(others, key=lambda pair: (pair.state is PairState.SUCCEEDED, pair.heard_at))
            )
        pair = checklist.pairs[source] = Pair(source, priority, now)
        self._events.append(Learned(source))
        return pair

    def _forget(self, checklist: Checklist, pair: Pair) -> None:
        del checklist.pairs[pair.address]
        for transaction_id in [key for key, check in self._checks.items() if check.pair is pair]:
            del self._checks[transaction_id]
        self._triggered = deque(entry for entry in self._triggered if entry[1] is not pair)
        if not any(pair.address in other.pairs for other in self._checklists):
            self._events.append(Forgotten(pair.address))

    def _drop_checklist(self, checklist: Checklist) -> None:
        self._checklists.remove(checklist)
        for pair in list(checklist.pairs.values()):
            self._forget(checklist, pair)

    def _select(self, checklist: Checklist, pair: Pair, now: float) -> None:
        checklist.nominate_at = None
        if pair is self.selected:
            return
        self.selected, self._selected_list = pair, checklist
        self._consent_expires = now + self._consent_timeout_s
        self._schedule_consent(now)
        self._events.append(Selected(pair.address))
        if checklist is self._checklists[-1]:
            for older in self._checklists[:-1]:
                self._drop_checklist(older)

    def _nominate(self, checklist: Checklist, now: float) -> None:
        good = [pair for pair in checklist.pairs.values() if pair.state is PairState.SUCCEEDED]
        checklist.nominate_at = None
        if good and self.role is Role.CONTROLLING:
            self._check(checklist, max(good, key=lambda pair: pair.rank), now, nominating=True)

    # Checks.

    def _trigger(self, checklist: Checklist, pair: Pair) -> None:
        if checklist.remote is not None and (checklist, pair) not in self._triggered:
            self._triggered.append((checklist, pair))

    def _send_triggered(self, now: float) -> None:
        while self._triggered and now >= self._pacing_ends:
            checklist, pair = self._triggered.popleft()
            if pair.state is PairState.WAITING:
                pair.state = PairState.IN_PROGRESS
                self._check(checklist, pair, now)
                self._pacing_ends = now + PACING_S

    def _check(
        self,
        checklist: Checklist,
        pair: Pair,
        now: float,
        *,
        nominating: bool = False,
        consent: bool = False,
    ) -> None:
        if checklist.remote is None:
            return
        transaction_id = self._random.randbytes(12)
        data = check_request(
            checklist.local,
            checklist.remote,
            transaction_id,
            role=self.role,
            tie_breaker=self._tie_breaker,
            nominating=nominating,
        )
        for earlier in self._checks.values():
            if earlier.pair is pair and not earlier.consent:
                earlier.sent = (
                    MAX_SENDS  # its answer still counts, but it is not repeated (RFC 8445 §7.3.1.4)
                )
        while len(self._checks) >= MAX_CHECKS:
            del self._checks[next(iter(self._checks))]
        wait = self._consent_timeout_s if consent else RTO_S
        self._checks[transaction_id] = Check(
            checklist, pair, data, self.role, nominating, consent, due=now + wait, timeout=wait
        )
        self._events.append(Send(data, pair.address))

    def _fail(self, check: Check, now: float) -> None:
        if check.consent or check.pair is self.selected:
            return  # only the expiry of consent ends the selected pair
        if not any(other.pair is check.pair for other in self._checks.values()):
            check.pair.state = PairState.FAILED
        if check.nominating:
            self._nominate(check.checklist, now)

    # Time.

    def timeout(self) -> float | None:
        """When `handle_timeout` is to be called next; None: only a message can change anything."""
        if self.closed:
            return None
        times = [check.due for check in self._checks.values()]
        times += [one.nominate_at for one in self._checklists if one.nominate_at is not None]
        if self._triggered:
            times.append(self._pacing_ends)
        if self.selected is not None:
            times += [self._consent_due, self._consent_expires]
        times += [pair.heard_at + FORGET_S for pair in self._idle_pairs()]
        return min(times, default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due: repetitions, nomination, consent, forgetting."""
        if self.closed:
            return
        if self.selected is not None and now >= self._consent_expires:
            self.close()
            self._events.append(ConsentLost())
            return
        for transaction_id, check in list(self._checks.items()):
            if check.due <= now and transaction_id in self._checks:
                self._repeat(transaction_id, check, now)
        for checklist in self._checklists:
            if checklist.nominate_at is not None and checklist.nominate_at <= now:
                self._nominate(checklist, now)
        if self.selected is not None and now >= self._consent_due:
            self._schedule_consent(now)
            self._check(self._selected_list, self.selected, now, consent=True)
        for pair in self._idle_pairs():
            if pair.heard_at + FORGET_S <= now:
                for checklist in self._checklists:
                    if checklist.pairs.get(pair.address) is pair:
                        self._forget(checklist, pair)
        self._send_triggered(now)

    def _repeat(self, transaction_id: bytes, check: Check, now: float) -> None:
        limit = 1 if check.consent else MAX_NOMINATION_SENDS if check.nominating else MAX_SENDS
        superseded = check.pair.state is PairState.SUCCEEDED and not check.nominating
        if check.sent >= limit or superseded:
            del self._checks[transaction_id]
            if not superseded:
                self._fail(check, now)
            return
        check.sent += 1
        check.timeout *= 2
        check.due = now + check.timeout
        self._events.append(Send(check.data, check.pair.address))

    def _schedule_consent(self, now: float) -> None:
        self._consent_due = now + CONSENT_INTERVAL_S * self._random.uniform(0.8, 1.2)

    def _idle_pairs(self) -> list[Pair]:
        return [
            pair
            for checklist in self._checklists
            for pair in checklist.pairs.values()
            if pair is not self.selected
        ]
