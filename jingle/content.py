"""Jingle contents and actions as data (XEP-0166 §7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from jingle.ice import IceTransport
from jingle.rtp import RtpDescription


class Action(Enum):
    """The `action` of a `<jingle/>` (XEP-0166 §7.2; source-add and source-remove are Jitsi's)."""

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


@dataclass(frozen=True)
class Reason:
    """`<reason/>` of a session-terminate (XEP-0166 §7.4): `condition` is the element name, `text` for humans."""

    condition: str
    text: str = ""


@dataclass(frozen=True)
class Group:
    """`<group/>` (XEP-0338): `semantics` is BUNDLE or LS, `contents` the names in order."""

    semantics: str
    contents: tuple[str, ...]
