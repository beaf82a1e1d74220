"""Jingle contents and actions as data (XEP-0166 §7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from jingle.ice import IceTransport
from jingle.rtp import RtpDescription


class Action(Enum):
    """The `action` of a `<jingle/>` (XEP-0166 §7.2; source-add and source-remove are not in it)."""

    CONTENT_ACCEPT = "content-accept"
    CONTENT_ADD = "content-add"
    CONTENT_MODIFY = "content-modify"
    CONTENT_REJECT = "content-reject"
    CONTENT_REMOVE = "content-remove"
    DESCRIPTION_INFO = "description-info"
    SECURITY_INFO = "security-info"
    SESSION_ACCEPT = "session-accept"
    SESSION_INFO = "session-info"
    SESSION_INITIATE = "session-initiate"
    SESSION_TERMINATE = "session-terminate"
    TRANSPORT_ACCEPT = "transport-accept"
    TRANSPORT_INFO = "transport-info"
    TRANSPORT_REJECT = "transport-reject"
    TRANSPORT_REPLACE = "transport-replace"
    SOURCE_ADD = "source-add"
    SOURCE_REMOVE = "source-remove"


@dataclass(frozen=True)
class Content:
    """One `<content/>`: a description and its transport; either may be missing."""

    name: str
    creator: str = "initiator"
    senders: str = ""
    disposition: str = ""
    description: RtpDescription | None = None
    transport: IceTransport | None = None
    foreign: tuple[str, ...] = ()
    """Namespaces of descriptions and transports that are not understood here."""


@dataclass(frozen=True)
class Reason:
    """`<reason/>` of a session-terminate (XEP-0166 §7.4): `text` is for people."""

    condition: str
    text: str = ""


@dataclass(frozen=True)
class Group:
    """`<group/>` (XEP-0338): `semantics` is BUNDLE or LS, `contents` the names in order."""

    semantics: str
    contents: tuple[str, ...]


@dataclass(frozen=True)
class SessionInfo:
    """The payload of a session-info (XEP-0167 §8): active, hold, unhold, mute, unmute or ringing.

    mute and unmute may name the content they are about, with its creator.
    """

    kind: str
    name: str = ""
    creator: str = ""
