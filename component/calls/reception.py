"""What callers say without calling: presence, proposals (XEP-0353), chat. It answers for every callee."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol
from xml.etree.ElementTree import Element

from carillon.settings import Settings
from component.calls import discovery, metrics, words
from component.calls.addresses import Callee, callee, speaks_for
from component.calls.admission import Admission, Guess
from component.calls.call import Call
from component.calls.proposals import Proposals
from component.calls.proxies import DELAY
from component.calls.reasons import WRONG_PIN
from component.focus.occupant import own_name
from component.link import Link
from component.stanza import bare, domain, local, message, presence
from component.stanza_error import StanzaError
from jingle.errors import JingleError
from jingle.jmi import Step, parse_invitation

MAX_NAMES: Final = 1000


class Lines(Protocol):
    """The calls, as the reception sees them."""

    def unlocked(self, caller: str) -> None:
        """The caller has said the PIN: what rings goes on."""

    def locked(self, caller: str) -> bool:
        """The caller does not know the PIN: what rings ends, and is told why. False when nothing rings."""

    def call_of(self, caller: str, called: Callee) -> Call | None:
        """The call that somebody has there, from this connection or else from another one of his."""

    def run(self, call: Call) -> None:
        """Carry out what follows from something that the call was told."""


class Reception:
    """The callees, as far as they do not speak Jingle."""

    def __init__(
        self,
        settings: Settings,
        link: Link,
        admission: Admission,
        proposals: Proposals,
        lines: Lines,
        *,
        record: Callable[[], None],
    ) -> None:
        """`record` writes down what is new, before anybody is told."""
        self._record = record
        self._guests = settings.xmpp.guest_domain
        self._accounts = settings.xmpp.domain
        self._link = link
        self._admission = admission
        self._proposals = proposals
        self._lines = lines
        self._names: OrderedDict[str, str] = OrderedDict()
        """What people call themselves, by bare JID."""

    def presence(self, stanza: Element, now: float) -> None:
        """A presence of somebody."""
        sender, type_ = stanza.get("from", ""), stanza.get("type", "")
        called = callee(stanza.get("to", ""))
        if called is None or not self._admission.known(sender):
            return
        if type_ == "":
            self._remember_name(stanza)
        elif not self._admission.may_signal(sender, now):
            metrics.REFUSED.labels("presence", "too many").inc()
        elif type_ == "subscribe":
            self._link.send(presence(bare(sender), called.jid, type="subscribed"))
            self._link.send(discovery.shown(called, bare(sender)))
        elif type_ == "unsubscribe":
            self._link.send(presence(bare(sender), called.jid, type="unsubscribed"))
        elif type_ == "probe":
            self._link.send(discovery.shown(called, sender))

    def _remember_name(self, stanza: Element) -> None:
        """The name people give themselves (XEP-0172), for the room they will be in."""
        name = own_name(stanza)
        if name:
            self._names[bare(stanza.get("from", ""))] = name
            if len(self._names) > MAX_NAMES:
                self._names.popitem(last=False)

    def name(self, caller: str) -> str:
        """How a caller is called in a room."""
        guest = domain(caller) == self._guests != self._accounts
        return self._names.get(bare(caller), "Guest" if guest else local(caller))

    def message(self, stanza: Element, now: float) -> None:
        """A message of somebody."""
        sender, to = stanza.get("from", ""), stanza.get("to", "")
        called = callee(to)
        if stanza.get("type") in ("error", "groupchat") or called is None or not speaks_for(to):
            return
        if stanza.find(DELAY) is not None:
            return
        self._remember_name(stanza)
        try:
            invitation = parse_invitation(stanza)
        except JingleError:
            metrics.REFUSED.labels("message", "bad-request").inc()
            return
        if invitation is None:
            self._chat(stanza, sender, called, now)
        elif invitation.step is Step.PROPOSE:
            self._propose(sender, called, invitation.id, now)
        elif invitation.step is Step.RETRACT:
            self._proposals.retract(sender, invitation.id)

    def _propose(self, sender: str, called: Callee, id: str, now: float) -> None:
        if self._proposals.knows(sender, id):
            metrics.PROPOSALS.labels("repeated").inc()
            return
        if not self._admission.may_signal(sender, now):
            metrics.PROPOSALS.labels("too many").inc()
            return
        refusal = self._admission.refusal(sender, called, now)
        wants_pin = refusal is None and self._admission.wants_pin(sender, called, now)
        answers = self._proposals.propose(sender, called, id, now, refusal=refusal, wants_pin=wants_pin)
        self._send_all(answers)
        if wants_pin:
            self.explain(sender, called, words.PIN_WANTED, now)
        elif refusal is not None:
            self.explain(sender, called, refusal.text, now)

    def _chat(self, stanza: Element, sender: str, called: Callee, now: float) -> None:
        said = words.body_of(stanza)
        if not said or not self._admission.known(sender):
            return
        pin, call = words.pin_in(said), self._lines.call_of(sender, called)
        if call is not None and pin is None and not words.is_help(said):
            self._pass_on(stanza, call, said, now)
            return
        if not self._admission.may_chat(sender, now):
            return
        # A presence of the callee's is what makes some clients show the call button at all.
        self._link.send(discovery.shown(called, sender))
        if pin is None:
            self.say(sender, called, words.help_of(called))
        else:
            self._try_pin(sender, called, pin, now)

    def _pass_on(self, stanza: Element, call: Call, said: str, now: float) -> None:
        """What a caller writes during its call is said on the other side."""
        sender = stanza.get("from", "")
        if stanza.find(words.ENCRYPTION) is not None:
            metrics.CHAT.labels("of caller", "encrypted").inc()
            self.explain(sender, Callee(bare(call.own_jid)), words.NOT_READABLE, now)
        elif not self._admission.may_say(sender, now):
            metrics.CHAT.labels("of caller", "too many").inc()
            error = StanzaError("policy-violation", "too many messages in a short time").element()
            self._link.send(message("error", sender, stanza.get("to", ""), error, id=stanza.get("id")))
        else:
            metrics.CHAT.labels("of caller", "passed on").inc()
            call.say(said)
            self._lines.run(call)

    def _try_pin(self, sender: str, called: Callee, pin: str, now: float) -> None:
        guess = self._admission.says_pin(sender, pin, now)
        if guess is Guess.TOO_MANY:
            self._send_all(self._proposals.locked(sender, WRONG_PIN))
            if self._lines.locked(sender):
                return
        self.say(sender, called, words.PIN_ANSWERS[guess])
        if guess is Guess.RIGHT:
            self._send_all(self._proposals.unlocked(sender, now))
            self._lines.unlocked(sender)

    def explain(self, to: str, called: Callee, text: str, now: float) -> None:
        """Tell somebody why, unless he was told much lately."""
        if self._admission.known(to) and self._admission.may_chat(to, now):
            self.say(to, called, text)

    def say(self, to: str, called: Callee, text: str) -> None:
        """Tell somebody something in words."""
        self._link.send(words.said("chat", to, called.full, text))

    def _send_all(self, stanzas: list[Element]) -> None:
        self._record()
        for stanza in stanzas:
            self._link.send(stanza)
