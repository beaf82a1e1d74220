"""A session description as data, and the words both directions share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jingle.content import Content, Group

DIRECTIONS: Final = {
    ("both", "initiator"): "sendrecv",
    ("both", "responder"): "sendrecv",
    ("initiator", "initiator"): "sendonly",
    ("initiator", "responder"): "recvonly",
    ("responder", "initiator"): "recvonly",
    ("responder", "responder"): "sendonly",
    ("none", "initiator"): "inactive",
    ("none", "responder"): "inactive",
}
"""The direction (RFC 8866 §6.7) by `senders` and by whose description it is."""
SENDERS: Final = {(direction, writer): senders for (senders, writer), direction in DIRECTIONS.items()}
"""`senders` by direction and by whose description it is."""

NO_ATTRIBUTE: Final = "-"
"""The cname of a source without attributes: an `a=ssrc` line has to have one (RFC 5576 §4.1)."""


@dataclass(frozen=True)
class SessionDescription:
    """The media sections as contents, in order; the content names are the mids.

    `rejected` names those sections that have port 0 and are not bundle-only: they are no contents.
    """

    contents: tuple[Content, ...] = ()
    groups: tuple[Group, ...] = ()
    rejected: tuple[str, ...] = ()
