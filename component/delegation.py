"""Namespace delegation (XEP-0355): requests to the XMPP server's own domain that it leaves to us to answer.

The server says with a message which namespaces it delegates, then forwards each IQ of these inside an IQ of
its own. It alone may do so: what says to be forwarded and comes from anybody else is refused, whatever stands
inside. Debian's ejabberd (23.01) speaks version 1 of the namespace, Prosody's community module version 2:
what is used of them here is the same. Only admin mode (§4) exists in either.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from xml.etree.ElementTree import Element, SubElement

import structlog
from prometheus_client import Counter

from carillon.journal import Journal, Row
from component import stanza as stanzas
from component.link import Link
from component.stanza import COMPONENT_NS
from component.stanza_error import StanzaError

VERSIONS = ("urn:xmpp:delegation:2", "urn:xmpp:delegation:1")
FORWARD_NS = "urn:xmpp:forward:0"
CLIENT_NS = "jabber:client"
_FORWARDED = f"{{{FORWARD_NS}}}forwarded"
_CLIENT_IQ = f"{{{CLIENT_NS}}}iq"

_KIND = "delegation"
"""Of rows of the journal: the id of the server's session, by its domain and the namespace."""

DelegatedHandler = Callable[[Element], Element | None]
"""As IqHandler, at once: gets the IQ as its asker sent it to the server, gives the payload of the result."""


class Refusal(StrEnum):
    """Why what says to be the server's delegation is not acted on; the value labels the counter."""

    SENDER = "sender"
    """It is not from a domain of our XMPP server."""
    MALFORMED = "malformed"
    """It is not what §4 describes."""
    NAMESPACE = "namespace"
    """It is of a namespace that this domain has not said to delegate."""


_CONDITIONS = {
    Refusal.SENDER: "forbidden",
    Refusal.MALFORMED: "bad-request",
    Refusal.NAMESPACE: "forbidden",
}

_ANSWERED = Counter(
    "carillon_component_delegated", "Requests that the XMPP server delegated to us, by answer", ["type"]
)
_REFUSED = Counter(
    "carillon_component_delegation_refused", "Delegations and delegated requests refused", ["reason"]
)

_log = structlog.get_logger()


class Delegation:
    """Answers what the XMPP server delegates; handlers are entered as on a Link."""

    def __init__(self, link: Link, servers: Collection[str], journal: Journal) -> None:
        """`servers` are the domains of our XMPP server: they alone delegate, for their users alone."""
        self._link = link
        self._journal = journal
        self._session = ""
        """The server's session that has delegated."""
        self._servers = frozenset(servers)
        self._handlers: dict[tuple[str, str], DelegatedHandler] = {}
        self._delegated: set[tuple[str, str]] = set()  # domain of the server, namespace
        self._logged: set[Refusal] = set()
        journal.attach(_KIND, self._rows)
        link.on_message(self._on_message)
        link.on_state(self._on_state)
        for version in VERSIONS:
            link.on_iq("set", _delegation(version), self._on_forwarded)

    def on_iq(self, type: str, payload_tag: str, handler: DelegatedHandler) -> None:
        """Let `handler` answer IQs of this type ("get", "set") to the server whose payload has this tag."""
        self._handlers[type, payload_tag] = handler

    def _on_state(self, up: bool) -> None:
        """What a session delegated ends with it (§4.2: the server says it anew), not with this process."""
        self._delegated.clear()
        self._session = self._link.session if up else ""
        if not up:
            return
        left = self._journal.load(_KIND)
        self._delegated = {
            (server, namespace)
            for server, _, namespace in (row.key.partition(" ") for row in left if self._is_of_now(row))
        }
        if gone := [Row(_KIND, "", row.key, None) for row in left if not self._is_of_now(row)]:
            self._journal.write(gone)

    def _is_of_now(self, row: Row) -> bool:
        return bool(self._session) and row.value == self._value()

    def _value(self) -> bytes:
        return json.dumps({"session": self._session}).encode()

    def _rows(self) -> Iterable[Row]:
        value = self._value()
        return [Row(_KIND, "", f"{server} {namespace}", value) for server, namespace in self._delegated]

    def _on_message(self, message: Element) -> None:
        """§4.2: the server says what it delegates; it may do so in several messages, which add up."""
        for version in VERSIONS:
            said = message.find(_delegation(version))
            if said is None or message.get("type") == "error":
                continue
            server = message.get("from", "")
            if server not in self._servers:
                self._refuse(Refusal.SENDER)
                continue
            known = {_namespace(tag) for _, tag in self._handlers}
            for one in said.iterfind(f"{{{version}}}delegated"):
                namespace = one.get("namespace", "")
                if namespace in known and (server, namespace) not in self._delegated:
                    self._delegated.add((server, namespace))
                    self._journal.write(self._rows())
                    _log.info("the XMPP server delegates to us", domain=server, namespace=namespace)

    def _on_forwarded(self, outer: Element) -> Element:
        """§4.3: the answer to the stanza inside, wrapped as that was. Raises StanzaError for the wrapping."""
        server = outer.get("from", "")
        if server not in self._servers:
            raise self._refuse(Refusal.SENDER)
        iq = _forwarded_iq(outer[0])
        if iq is None:
            raise self._refuse(Refusal.MALFORMED)
        if (server, _namespace(iq[0].tag)) not in self._delegated:
            raise self._refuse(Refusal.NAMESPACE)
        try:
            answer = stanzas.result(iq, self._answer(iq, server))
        except StanzaError as error:
            answer = error.reply(iq)
        _ANSWERED.labels(answer.get("type")).inc()
        return _wrapped(outer[0].tag, answer)

    def _answer(self, iq: Element, server: str) -> Element | None:
        """What the handler says. The server also forwards what strangers ask, and what is for its users."""
        handler = self._handlers.get((iq.get("type", ""), iq[0].tag))
        if handler is None or iq.get("to") != server:
            raise StanzaError("service-unavailable")
        if stanzas.domain(iq.get("from", "")) not in self._servers:
            raise StanzaError("forbidden", "only users of this server")
        return handler(iq)

    def _refuse(self, reason: Refusal) -> StanzaError:
        _REFUSED.labels(reason.value).inc()
        if reason not in self._logged:  # the counter has the rest
            self._logged.add(reason)
            _log.warning("a delegation was refused", reason=reason.value)
        return StanzaError(_CONDITIONS[reason])


def nodes(namespaces: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """§7.2: the nodes of disco#info that say which features the server is to list for each namespace.

    On its domain that is the namespace itself, on the addresses of its users (`:bare:`) nothing.
    """
    return {
        f"{version}{separator}{namespace}": (namespace,) if separator == "::" else ()
        for version in VERSIONS
        for namespace in namespaces
        for separator in ("::", ":bare:")
    }


def _forwarded_iq(delegation: Element) -> Element | None:
    """The request inside (XEP-0297), in our own namespace as handlers expect it; None when there is none."""
    if len(delegation) != 1 or delegation[0].tag != _FORWARDED:
        return None
    found = [child for child in delegation[0] if child.tag == _CLIENT_IQ]
    if len(found) != 1 or len(found[0]) != 1 or found[0].get("type") not in ("get", "set"):
        return None
    (iq,) = found
    if not iq.get("from") or not iq.get("id"):
        return None
    iq.tag = stanzas.IQ
    if not iq.get("to"):
        iq.set("to", stanzas.bare(iq.get("from", "")))  # RFC 6120 §10.3.3: it is for the asker's own account
    return iq


def _wrapped(tag: str, answer: Element) -> Element:
    """`answer` as the server expects it: in the namespace of its clients, inside both wrappers."""
    for element in (answer, *answer):
        if _namespace(element.tag) == COMPONENT_NS:
            element.tag = f"{{{CLIENT_NS}}}{element.tag.rpartition('}')[2]}"
    wrapped = Element(tag)
    SubElement(wrapped, _FORWARDED).append(answer)
    return wrapped


def _delegation(version: str) -> str:
    return f"{{{version}}}delegation"


def _namespace(tag: str) -> str:
    return tag[1:].partition("}")[0] if tag[:1] == "{" else ""
