"""`<command/>` on the wire (XEP-0050 §4): requests read, answers built, and the errors of its §4.4."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from xml.etree.ElementTree import Element, SubElement

from component.administration import data_form
from component.administration.data_form import FormError
from component.stanza_error import StanzaError

NAMESPACE = "http://jabber.org/protocol/commands"
COMMAND = f"{{{NAMESPACE}}}command"
LANGUAGE = "en"
"""Of everything we say: the only one there is."""
MAX_NAME_CHARS = 256
"""Of a node and of a session's name."""

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,15}")


class Action(Enum):
    """What the requester wants (§4.1)."""

    EXECUTE = "execute"
    NEXT = "next"
    PREV = "prev"
    COMPLETE = "complete"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Request:
    """A `<command/>` that somebody sent."""

    node: str
    action: Action
    session: str
    """"" at the beginning."""
    answers: dict[str, str] | None
    """What was filled in; None when there is no form."""


@dataclass(frozen=True)
class Answer:
    """A `<command/>` that answers."""

    node: str
    session: str
    status: str
    """executing, completed or canceled."""
    payload: Element | None = None
    note: str = ""
    note_type: str = "info"
    """info, warn or error."""
    actions: tuple[Action, ...] = ()
    """What may come next, the default first; there is none when it is over."""


def refusal(specific: str, text: str) -> StanzaError:
    """An error of §4.4, by the name of its specific condition."""
    general = "not-allowed" if specific == "session-expired" else "bad-request"
    return StanzaError(general, text, app=Element(f"{{{NAMESPACE}}}{specific}"))


def forbidden() -> StanzaError:
    """For who is no administrator; §4.4 has a type of its own for it."""
    return StanzaError("forbidden", "only administrators have commands here", type="cancel")


def parse(element: Element) -> Request:
    """Read a request. Raises StanzaError.

    A language that is not ours is no error: we answer in ours and say so. A tag that names none is.
    """
    node, session = element.get("node", ""), element.get("sessionid", "")
    if not node or len(node) > MAX_NAME_CHARS:
        raise StanzaError("bad-request", "the command has no node, or one that is too long")
    language = element.get(_LANG)
    if language is not None and not _LANGUAGE_TAG.fullmatch(language):
        raise refusal("bad-locale", "xml:lang is no language tag")
    if len(session) > MAX_NAME_CHARS:
        raise refusal("bad-sessionid", "there is no such session")
    try:
        action = Action(element.get("action", "execute"))
    except ValueError:
        raise refusal("malformed-action", "the action is none of XEP-0050") from None
    form = element.find(data_form.FORM)
    try:
        answers = None if form is None else data_form.submitted(form)
    except FormError as error:
        raise refusal("bad-payload", str(error)) from None
    return Request(node, action, session, answers)


def build(answer: Answer) -> Element:
    """Write an answer."""
    made = Element(
        COMMAND,
        {"node": answer.node, "sessionid": answer.session, "status": answer.status, _LANG: LANGUAGE},
    )
    if answer.actions:
        made.append(_actions(answer.actions))
    if answer.note:
        SubElement(made, f"{{{NAMESPACE}}}note", {"type": answer.note_type}).text = answer.note
    if answer.payload is not None:
        made.append(answer.payload)
    return made


def _actions(actions: Iterable[Action]) -> Element:
    first, *others = actions
    made = Element(f"{{{NAMESPACE}}}actions", {"execute": first.value})
    for action in sorted((first, *others), key=_SCHEMA_ORDER.index):
        SubElement(made, f"{{{NAMESPACE}}}{action.value}")
    return made


_SCHEMA_ORDER = [Action.PREV, Action.NEXT, Action.COMPLETE]
"""The order that the schema of XEP-0050 demands."""
