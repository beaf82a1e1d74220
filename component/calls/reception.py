"""What callers say without calling: presence, proposals (XEP-0353), chat. It answers for every callee."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from xml.etree.ElementTree import Element

from carillon.settings import Settings
from component.calls import discovery, metrics, words
from component.calls.addresses import Callee, callee, speaks_for
from component.calls.admission import Admission
from component.calls.call import body
from component.calls.proposals import Proposals
from component.focus.occupant import local_name
from component.link import Link
from component.stanza import bare, domain, local, message, presence
from jingle.errors import JingleError
from jingle.jmi import Step, parse_invitation

MAX_NAMES: Final = 1000
MAX_NAME_CHARS: Final = 100
NICK: Final = "{http://jabber.org/protocol/nick}nick"
DELAY: Final = "{urn:xmpp:delay}delay"


class Reception:
    """The callees, as far as they do not speak Jingle."""

    def __init__(
        self,
        settings: Settings,
        link: Link,
        admission: Admission,
        proposals: Proposals,
        on_unlocked: Callable[[str], None],
    ) -> None:
        """`on_unlocked` is told of a caller that has said the PIN."""
        self._guests = settings.xmpp.guest_domain
        self._link = link
        self._admission = admission
        self._proposals = proposals
        self._on_unlocked = on_unlocked
        self._names: OrderedDict[str, str] = OrderedDict()
        """What people call themselves, by bare JID."""

    def presence(self, stanza: Element) -> None:
        """A presence of somebody."""
        sender, type_ = stanza.get("from", ""), stanza.get("type", "")
        called = callee(stanza.get("to", ""))
        if called is None or not self._admission.known(sender):
            return
        if type_ == "":
            self._remember_name(stanza)
        elif type_ == "subscribe":
            self._link.send(presence(bare(sender), called.jid, type="subscribed"))
            self._link.send(discovery.shown(called, bare(sender)))
        elif type_ == "unsubscribe":
            self._link.send(presence(bare(sender), called.jid, type="unsubscribed"))
        elif type_ == "probe":
            self._link.send(discovery.shown(called, sender))

    def _remember_name(self, stanza: Element) -> None:
        """The name people give themselves (XEP-0172), for the room they will be in."""
        name = " ".join((stanza.findtext(NICK) or "").split())[:MAX_NAME_CHARS]
        if name:
            self._names[bare(stanza.get("from", ""))] = name
            if len(self._names) > MAX_NAMES:
                self._names.popitem(last=False)

    def name(self, caller: str) -> str:
        """How a caller is called in a room."""
        guest = domain(caller) == self._guests
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
        refusal = self._admission.refusal(sender, called, now)
        wants_pin = refusal is None and self._admission.wants_pin(sender, called, now)
        answers = self._proposals.propose(sender, called, id, now, refusal=refusal, wants_pin=wants_pin)
        self._send_all(answers)
        if wants_pin:
            self.say(sender, called, words.PIN_WANTED)
        elif refusal is not None and self._admission.may_chat(sender, now):
            self.say(sender, called, refusal.text)

    def _chat(self, stanza: Element, sender: str, called: Callee, now: float) -> None:
        said = next((child.text or "" for child in stanza if local_name(child) == "body"), "").strip()
        if not said or not self._admission.known(sender):
            return
        if not self._admission.may_chat(sender, now):
            return
        # A presence of the callee's is what makes some clients show the call button at all.
        self._link.send(discovery.shown(called, sender))
        pin = words.pin_in(said)
        if pin is None:
            self.say(sender, called, words.help_of(called))
            return
        right = self._admission.says_pin(sender, pin, now)
        if right:
            self.say(sender, called, words.PIN_RIGHT)
            self._send_all(self._proposals.unlocked(sender, now))
            self._on_unlocked(sender)
        else:
            self.say(sender, called, words.PIN_TOO_OFTEN if right is None else words.PIN_WRONG)

    def say(self, to: str, called: Callee, text: str) -> None:
        """Tell somebody something in words."""
        self._link.send(message("chat", to, called.full, body(text)))

    def _send_all(self, stanzas: list[Element]) -> None:
        for stanza in stanzas:
            self._link.send(stanza)
