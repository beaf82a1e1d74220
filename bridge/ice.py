"""The full, controlling, nominating ICE agent of one endpoint (RFC 8445, RFC 7675). Sans-I/O.

Its local candidates are the bridge's UDP and passive TCP ports. It learns remote candidates only from checks
that carry the right password: what a client signals is never contacted, or the bridge would be a scanner on
request.
All checks are triggered ones. Feed `receive` and `handle_timeout`, drain `events`, come back at `timeout`.
"""

from __future__ import annotations

import math
import random

from bridge.ice_checks import Checks
from bridge.ice_consent import Consent
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
from bridge.ice_messages import ROLE_CONFLICT, error_code_of, role_conflict_response, success_response
from bridge.ice_role import AgentRole
from carillon.stun import Attribute, Message, MessageClass, Method

NOMINATION_WAIT_S = 0.05
"""How long the first good pair waits for a better one: the client's pairs arrive within milliseconds."""
TCP_NOMINATION_WAIT_S = 0.5
"""The same while only pairs over TCP are good: UDP may just have lost a packet."""
STALE_S = 3.0
"""The selected pair is stale when nothing came from it for this time (Chromium checks it every 2.5 s)."""
FORGET_S = 60.0
"""A pair that is not selected is forgotten when the client has not been heard there for this time."""


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
        self.selected: Pair | None = None
        self.closed = False
        self._role = AgentRole(Role.CONTROLLING if controlling else Role.CONTROLLED, random_source)
        self._consent = Consent(consent_timeout_s, random_source)
        self._checks = Checks(self._role, random_source, self._send)
        self._checklists = [Checklist(local)]
        self._selected_list = self._checklists[0]
        self._events: list[IceEvent] = []

    # What the owner knows and asks.

    @property
    def role(self) -> Role:
        """Ours, as far as it is settled."""
        return self._role.now_is

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
        return self._checks.expects(transaction_id)

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
            self._checks.trigger(checklist, pair)
        self._checks.send_triggered(now)

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
            if pair is not self.selected:
                self._forget(checklist, pair)
                continue
            # The client makes another connection: the first pair that works is followed.
            pair.state, pair.heard_at = PairState.FAILED, -math.inf

    def close(self) -> None:
        """Stop for good: nothing is sent or accepted any more."""
        self.closed = True
        self.selected = None
        self._checks.clear()

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
        self._checks.send_triggered(now)

    def _receive_request(self, message: Message, source: Address, now: float) -> None:
        checklist = self._authenticated(message)
        priority = message.get(Attribute.PRIORITY)
        if priority is None or len(priority) != 4:
            raise IceRefused("malformed")
        if not self._role.agrees(message):
            self._send(role_conflict_response(message, checklist.local.pwd), source)
            return
        self._send(success_response(message, source, checklist.local.pwd), source)
        pair = checklist.pairs.get(source)
        if pair is None:
            pair = self._learn(checklist, source, int.from_bytes(priority, "big"), now)
        pair.heard_at = now
        pair.remote = self._remote_named_in(message)
        if self.role is Role.CONTROLLED and message.get(Attribute.USE_CANDIDATE) is not None:
            pair.nominated = True
            if pair.state is PairState.SUCCEEDED:
                self._select(checklist, pair, now)
        if pair.state is not PairState.SUCCEEDED:
            pair.state = PairState.WAITING
            self._checks.trigger(checklist, pair)
        elif self._should_follow(checklist, pair, now):
            self._checks.start(checklist, pair, now, nominating=True)

    def _authenticated(self, message: Message) -> Checklist:
        """The checklist whose fragment stands left of the colon and whose password signed the message."""
        name, colon, _ = (message.get(Attribute.USERNAME) or b"").partition(b":")
        for checklist in self._checklists:
            if colon and checklist.local.ufrag.encode() == name:
                if not message.integrity_ok(checklist.local.pwd.encode()):
                    raise IceRefused("integrity")
                return checklist
        raise IceRefused("username")

    def _remote_named_in(self, request: Message) -> Credentials | None:
        """The client's credentials whose fragment stands right of the colon."""
        _, _, name = (request.get(Attribute.USERNAME) or b"").partition(b":")
        known = (checklist.remote for checklist in self._checklists)
        return next((one for one in known if one is not None and one.ufrag.encode() == name), None)

    def _receive_response(self, message: Message, source: Address, now: float) -> None:
        check = self._checks.answered(message, source)
        check.pair.heard_at = now
        if message.cls is MessageClass.ERROR:
            self._receive_error(message, check, now)
        else:
            self._succeed(check, now)

    def _receive_error(self, message: Message, check: Check, now: float) -> None:
        if error_code_of(message) != ROLE_CONFLICT:
            self._fail(check, now)
            return
        self._role.lost(check.asked_as)
        check.pair.state = PairState.WAITING
        self._checks.trigger(check.checklist, check.pair)

    def _succeed(self, check: Check, now: float) -> None:
        checklist, pair = check.checklist, check.pair
        if pair.state is not PairState.SUCCEEDED:
            pair.state = PairState.SUCCEEDED
            self._events.append(Validated(pair.address))
        if pair is self.selected:
            self._consent.renew(now)
            self._events.append(ConsentRenewed())
        if check.nominating or (pair.nominated and self.role is Role.CONTROLLED):
            self._select(checklist, pair, now)
        elif self.role is Role.CONTROLLING and self.selected not in checklist.pairs.values():
            if not self._checks.nominating:
                self._nominate_soon(checklist, pair, now)
        elif self._should_follow(checklist, pair, now):
            self._checks.start(checklist, pair, now, nominating=True)

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
        if checklist is not self._checklists[-1] or self._checks.nominating:
            return False
        return now - selected.heard_at > STALE_S or pair.rank[0] > selected.rank[0]

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
        self._checks.forget(pair)
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
        self._consent.renew(now)
        self._consent.asked(now)
        self._events.append(Selected(pair.address))
        if checklist is self._checklists[-1]:
            for older in self._checklists[:-1]:
                self._drop_checklist(older)

    def _nominate(self, checklist: Checklist, now: float) -> None:
        good = [pair for pair in checklist.pairs.values() if pair.state is PairState.SUCCEEDED]
        checklist.nominate_at = None
        if good and self.role is Role.CONTROLLING:
            self._checks.start(checklist, max(good, key=lambda pair: pair.rank), now, nominating=True)

    def _fail(self, check: Check, now: float) -> None:
        if check.consent or check.pair is self.selected:
            return  # only the expiry of consent ends the selected pair
        if not self._checks.of(check.pair):
            check.pair.state = PairState.FAILED
        if check.nominating:
            self._nominate(check.checklist, now)

    # Time.

    def timeout(self) -> float | None:
        """When `handle_timeout` is to be called next; None: only a message can change anything."""
        if self.closed:
            return None
        times = self._checks.times()
        times += [one.nominate_at for one in self._checklists if one.nominate_at is not None]
        if self.selected is not None:
            times += [self._consent.due, self._consent.expires]
        times += [pair.heard_at + FORGET_S for pair in self._idle_pairs()]
        return min(times, default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due: repetitions, nomination, consent, forgetting."""
        if self.closed:
            return
        if self.selected is not None and now >= self._consent.expires:
            self.close()
            self._events.append(ConsentLost())
            return
        for check in self._checks.repeat(now):
            self._fail(check, now)
        for checklist in self._checklists:
            if checklist.nominate_at is not None and checklist.nominate_at <= now:
                self._nominate(checklist, now)
        if now >= self._consent.due:
            self.ask_consent(now)
        for pair in self._idle_pairs():
            if pair.heard_at + FORGET_S <= now:
                for checklist in self._checklists:
                    if checklist.pairs.get(pair.address) is pair:
                        self._forget(checklist, pair)
        self._checks.send_triggered(now)

    def ask_consent(self, now: float) -> None:
        """Ask the client for its consent, whether it is time or not; without a selected pair nobody."""
        if self.selected is not None and not self.closed:
            self._consent.asked(now)
            self._checks.ask_consent(self._selected_list, self.selected, now, self._consent.timeout_s)

    def _idle_pairs(self) -> list[Pair]:
        return [
            pair
            for checklist in self._checklists
            for pair in checklist.pairs.values()
            if pair is not self.selected
        ]

    def _send(self, data: bytes, address: Address) -> None:
        self._events.append(Send(data, address))
