"""What follows when the bridge refuses a request or does not answer: one table."""

from __future__ import annotations

from enum import Enum

from component.focus.effects import BridgeUnreachable
from component.focus.metrics import BRIDGE_ERRORS
from jingle.colibri2 import Colibri2Error


class Reaction(Enum):
    """What follows from a failure."""

    AWAY = "away"
    """The bridge does not answer: wait, then try again."""
    BUSY = "busy"
    """It takes nothing new now, but serves those it has: let the new ones wait."""
    CONFERENCE_LOST = "conference lost"
    """It has forgotten the conference: invite everybody again."""
    ENDPOINT_LOST = "endpoint lost"
    """It has forgotten one endpoint: invite that participant again."""
    REFUSED = "refused"
    """The request is wrong: asking again would not help."""


REACTIONS = {
    "conference_not_found": Reaction.CONFERENCE_LOST,
    "conference_already_exists": Reaction.CONFERENCE_LOST,
    "unknown_endpoint": Reaction.ENDPOINT_LOST,
    "graceful_shutdown": Reaction.BUSY,
}


def reaction_to(error: Colibri2Error | BridgeUnreachable) -> Reaction:
    """What follows from `error`; it is counted."""
    if isinstance(error, BridgeUnreachable):
        BRIDGE_ERRORS.labels("unreachable").inc()
        return Reaction.AWAY
    BRIDGE_ERRORS.labels(error.reason if error.reason in REACTIONS else "other").inc()
    return REACTIONS.get(error.reason, Reaction.REFUSED)
