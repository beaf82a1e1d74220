"""The refusals of Jingle (XEP-0166 §10, RFC 6120 §8.3.3) and of session descriptions."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from jingle.namespaces import JINGLE_ERRORS

TYPES: Final = {
    "bad-request": "modify",
    "conflict": "cancel",
    "feature-not-implemented": "cancel",
    "forbidden": "auth",
    "item-not-found": "cancel",
    "not-acceptable": "modify",
    "resource-constraint": "wait",
    "unexpected-request": "wait",
}
"""The error type that goes with each stanza condition used here."""


class JingleError(Exception):
    """A Jingle request that is refused.

    `condition` is the stanza error condition; `app` is XEP-0166's own condition beside it (`out-of-order`,
    `tie-break`, `unknown-session`, `unsupported-info`, "" for none); `text` says what was wrong.
    """

    def __init__(self, condition: str, text: str = "", app: str = "") -> None:
        super().__init__(f"{app or condition}: {text}" if text else app or condition)
        self.condition = condition
        self.text = text
        self.app = app

    @property
    def type(self) -> str:
        """The `type` of the stanza error: cancel, modify, auth or wait."""
        return TYPES.get(self.condition, "cancel")

    def app_element(self) -> Element | None:
        """XEP-0166's own condition as an element, to be put beside the stanza condition; None without one."""
        return Element(f"{{{JINGLE_ERRORS}}}{self.app}") if self.app else None


def bad_request(text: str) -> JingleError:
    """The error for an element that is not what its document says."""
    return JingleError("bad-request", text)


def out_of_order(text: str) -> JingleError:
    """The error for a request that the session's state does not allow."""
    return JingleError("unexpected-request", text, "out-of-order")


def tie_break(text: str) -> JingleError:
    """The error that the initiator gives when both ask for the same change at once (XEP-0166 §7.2.16)."""
    return JingleError("conflict", text, "tie-break")


def unknown_session(sid: str) -> JingleError:
    """The error for a session that does not exist."""
    return JingleError("item-not-found", f"no session {sid}", "unknown-session")


class SdpError(Exception):
    """Text that is not a session description, or data that cannot be written as one."""
