"""Jingle Message Initiation (XEP-0353 v0.8): calls proposed, answered and ended by messages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final
from xml.etree.ElementTree import Element

from jingle.content import Reason
from jingle.element import REASON, build_reason, parse_reason
from jingle.limits import MAX_CONTENTS
from jingle.reading import Node, children, element, first, local_name, named, namespace, required, text
from jingle.rtp_codec import DESCRIPTION

JMI: Final = "urn:xmpp:jingle-message:0"


class Step(Enum):
    """What a message says about a call."""

    PROPOSE = "propose"
    RETRACT = "retract"
    RINGING = "ringing"
    PROCEED = "proceed"
    ACCEPT = "accept"
    REJECT = "reject"
    FINISH = "finish"


STEPS: Final = {step.value: step for step in Step}


@dataclass(frozen=True)
class Invitation:
    """One JMI element. `id` becomes the sid of the Jingle session; `media` is told by a propose."""

    step: Step
    id: str
    media: tuple[str, ...] = ()
    reason: Reason | None = None


def parse_invitation(message: Node) -> Invitation | None:
    """The JMI element of a `<message/>`; None without one. Raises JingleError."""
    for tag, child in children(message):
        step = STEPS.get(local_name(tag)) if namespace(tag) == JMI else None
        if step is not None:
            reason = first(child, REASON)
            return Invitation(
                step,
                required(child, "id"),
                tuple(text(media, "media") for media in named(child, DESCRIPTION, MAX_CONTENTS)),
                None if reason is None else parse_reason(reason),
            )
    return None


def build_invitation(invitation: Invitation) -> Element:
    """The JMI element."""
    made = element(JMI, invitation.step.value, {"id": invitation.id})
    for media in invitation.media:
        made.append(element(namespace(DESCRIPTION), "description", {"media": media}))
    if invitation.reason is not None:
        made.append(build_reason(invitation.reason))
    return made
