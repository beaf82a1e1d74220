"""Administration as a service of the focus's host: the shell around commands and control routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from xml.etree.ElementTree import Element, SubElement

import structlog
from aiohttp import web
from prometheus_client import Counter

from carillon.settings import Settings
from component.administration import command, data_form
from component.administration.command import COMMAND, Answer
from component.administration.commands import COMMANDS
from component.administration.routes import Routes
from component.administration.sessions import Ready, Sessions
from component.administration.words import in_words, refusal_in_words
from component.disco import DISCO_INFO_NS, DISCO_ITEMS_NS
from component.focus.oversight import Oversight, UnknownParticipant, UnknownRoom
from component.link import Link
from component.stanza import bare, new_id
from component.stanza_error import StanzaError

MAX_LOGGED = 100
"""Strangers whose attempts are logged, once each; the counter has the rest."""

_DONE = Counter("carillon_component_commands", "Ad-hoc commands carried out", ["command"])
_REFUSED = Counter("carillon_component_commands_refused", "Ad-hoc commands refused", ["condition"])
_log = structlog.get_logger()


class Administration:
    """Ad-hoc commands for the JIDs in [admin], which it lists in its host's Disco, and the control routes."""

    def __init__(
        self, link: Link, oversight: Oversight, settings: Settings, clock: Callable[[], float]
    ) -> None:
        """`clock` is any that only goes forward."""
        self._domain = link.domain
        self._oversight = oversight
        self._clock = clock
        self._jids = frozenset(settings.admin.jids)
        self._sessions = Sessions(oversight, new_id)
        self._strangers: set[str] = set()
        link.on_iq("set", COMMAND, self._on_command)

    def reload(self, settings: Settings) -> None:
        """Other administrators; who is none any more cannot go on with a command either."""
        self._jids = frozenset(settings.admin.jids)

    def routes(self) -> Iterable[web.RouteDef]:
        """What is added to the control API."""
        return Routes(self._oversight).all()

    # Service discovery (XEP-0050 §2): who is no administrator finds nothing

    def features(self, asker: str) -> Iterable[str]:
        """What the host can do for `asker` beyond what it can for everybody."""
        return (command.NAMESPACE,) if self._may(asker) else ()

    def info(self, node: str, asker: str) -> Element | None:
        """Of the list of commands, or of one; None: there is no such node. Raises StanzaError."""
        if node == command.NAMESPACE:
            kind, name = "command-list", "Administration of meetings"
        elif node in COMMANDS:
            kind, name = "command-node", COMMANDS[node].title
        else:
            return None
        if not self._may(asker):
            raise command.forbidden()
        query = Element(f"{{{DISCO_INFO_NS}}}query", {"node": node})
        identity = {"category": "automation", "type": kind, "name": name}
        SubElement(query, f"{{{DISCO_INFO_NS}}}identity", identity)
        for feature in (command.NAMESPACE, data_form.NAMESPACE):
            SubElement(query, f"{{{DISCO_INFO_NS}}}feature", {"var": feature})
        return query

    def items(self, node: str, asker: str) -> Element | None:
        """The commands, for administrators; None: there is no such node."""
        if node != command.NAMESPACE:
            return None
        query = Element(f"{{{DISCO_ITEMS_NS}}}query", {"node": node})
        if self._may(asker):
            for name, one in COMMANDS.items():
                item = {"jid": self._domain, "node": name, "name": one.title}
                SubElement(query, f"{{{DISCO_ITEMS_NS}}}item", item)
        return query

    # Commands

    def _on_command(self, iq: Element) -> Element | Awaitable[Element]:
        sender = iq.get("from", "")
        try:
            if iq.get("to") != self._domain:
                raise StanzaError("service-unavailable")
            self._admit(sender)
            step = self._sessions.step(sender, command.parse(iq[0]), self._clock())
        except StanzaError as error:
            _REFUSED.labels(error.condition).inc()
            raise
        if isinstance(step, Ready):
            return self._carried_out(step, bare(sender))
        return command.build(step)

    async def _carried_out(self, ready: Ready, by: str) -> Element:
        """Its failure is told by a note: the command is over all the same (XEP-0050 §3.6)."""
        one = COMMANDS[ready.node]
        try:
            outcome = await one.run(self._oversight, ready.answers, by)
        except (UnknownRoom, UnknownParticipant) as error:
            return _failed(ready, in_words(error))
        except StanzaError as error:
            return _failed(ready, refusal_in_words(error))
        _DONE.labels(ready.node).inc()
        payload = data_form.result(one.title, outcome.table) if outcome.table is not None else None
        return command.build(Answer(ready.node, ready.session, "completed", payload, note=outcome.note))

    def _admit(self, sender: str) -> None:
        """By the address that the server gives the stanza, and nothing else. Raises StanzaError."""
        if self._may(sender):
            return
        who = bare(sender)
        if who not in self._strangers and len(self._strangers) < MAX_LOGGED:
            self._strangers.add(who)
            _log.warning("a command of somebody who is no administrator", jid=who)
        raise command.forbidden()

    def _may(self, asker: str) -> bool:
        return bare(asker) in self._jids


def _failed(ready: Ready, why: str) -> Element:
    return command.build(Answer(ready.node, ready.session, "completed", note=why, note_type="error"))
