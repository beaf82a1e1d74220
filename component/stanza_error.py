"""Stanza errors (RFC 6120 §8.3): the exception, and the one place where it becomes `<error/>` and back."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from component.stanza import ERROR, iq

STANZAS_NS = "urn:ietf:params:xml:ns:xmpp-stanzas"

# RFC 6120 §8.3.3: the type that each condition has unless the sender knows better.
TYPES = {
    "bad-request": "modify",
    "conflict": "cancel",
    "feature-not-implemented": "cancel",
    "forbidden": "auth",
    "gone": "cancel",
    "internal-server-error": "cancel",
    "item-not-found": "cancel",
    "jid-malformed": "modify",
    "not-acceptable": "modify",
    "not-allowed": "cancel",
    "not-authorized": "auth",
    "policy-violation": "modify",
    "recipient-unavailable": "wait",
    "redirect": "modify",
    "registration-required": "auth",
    "remote-server-not-found": "cancel",
    "remote-server-timeout": "wait",
    "resource-constraint": "wait",
    "service-unavailable": "cancel",
    "subscription-required": "auth",
    "undefined-condition": "cancel",
    "unexpected-request": "wait",
}
_ERROR_TYPES = frozenset(("auth", "cancel", "continue", "modify", "wait"))
# A text longer than this was not written for people; it is cut when it comes from a peer.
_TEXT_LENGTH = 500


class StanzaError(Exception):
    """A request that fails, or failed, with the meaning it has on the wire."""

    def __init__(
        self, condition: str, text: str = "", *, type: str | None = None, app: Element | None = None
    ) -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        """The defined condition: a key of TYPES."""
        self.type = type if type is not None else TYPES[condition]
        """auth, cancel, continue, modify or wait."""
        self.text = text
        """What people may read; never anything taken from the request."""
        self.app = app
        """Application-specific condition, or None."""

    def element(self) -> Element:
        """The `<error/>` of a component's stanza."""
        error = Element(ERROR, {"type": self.type})
        SubElement(error, f"{{{STANZAS_NS}}}{self.condition}")
        if self.text:
            SubElement(error, f"{{{STANZAS_NS}}}text").text = self.text
        if self.app is not None:
            error.append(self.app)
        return error

    def reply(self, request: Element) -> Element:
        """The `<iq type="error"/>` that answers `request`; it repeats only addresses and id."""
        return iq(
            "error", request.get("from", ""), request.get("to", ""), self.element(), id=request.get("id", "")
        )


def read_error(stanza: Element) -> StanzaError:
    """The error that a stanza of type "error" carries; what makes no sense is an undefined-condition."""
    error = next((child for child in stanza if child.tag.rpartition("}")[2] == "error"), None)
    if error is None:
        return StanzaError("undefined-condition")
    condition, text, app = "undefined-condition", "", None
    for child in error:
        namespace, _, name = child.tag[1:].rpartition("}")
        if namespace != STANZAS_NS:
            app = child
        elif name == "text":
            text = (child.text or "")[:_TEXT_LENGTH]
        elif name in TYPES:
            condition = name
    type_ = error.get("type", "")
    return StanzaError(condition, text, type=type_ if type_ in _ERROR_TYPES else None, app=app)
