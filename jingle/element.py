"""`<jingle/>` and `<content/>` (XEP-0166 §7) from and to elements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from jingle.content import Action, Content, Group, Reason, SessionInfo
from jingle.errors import bad_request
from jingle.ice import IceTransport
from jingle.ice_codec import TRANSPORT, build_transport, parse_transport
from jingle.jitsi.session import JitsiParts, build_parts, parse_parts
from jingle.limits import MAX_CONTENTS, MAX_GROUPS, MAX_PARAMETERS, NAME_CHARS, TEXT_CHARS, VALUE_CHARS
from jingle.namespaces import GROUPING, JINGLE, MUJI, RTP_INFO
from jingle.reading import (
    Node,
    children,
    content_text,
    element,
    first,
    local_name,
    named,
    namespace,
    required,
    text,
    token,
)
from jingle.rtp import RtpDescription
from jingle.rtp_codec import DESCRIPTION, SENDERS, build_description, parse_description

JINGLE_TAG: Final = f"{{{JINGLE}}}jingle"
CONTENT: Final = f"{{{JINGLE}}}content"
REASON: Final = f"{{{JINGLE}}}reason"
REASON_TEXT: Final = f"{{{JINGLE}}}text"
GROUP: Final = f"{{{GROUPING}}}group"
GROUP_CONTENT: Final = f"{{{GROUPING}}}content"
MUJI_TAG: Final = f"{{{MUJI}}}muji"

ACTIONS: Final = {action.value: action for action in Action}
CREATORS: Final = frozenset({"initiator", "responder"})
INFO_KINDS: Final = frozenset({"active", "hold", "mute", "ringing", "unhold", "unmute"})
CONDITION: Final = re.compile(r"[a-z][a-z-]{0,63}")


@dataclass(frozen=True)
class Jingle(JitsiParts):
    """`<jingle/>`: one request about a session. Texts that are absent are ""."""

    action: Action
    sid: str
    initiator: str = ""
    responder: str = ""
    contents: tuple[Content, ...] = ()
    groups: tuple[Group, ...] = ()
    reason: Reason | None = None
    info: SessionInfo | None = None
    muji_room: str = ""
    """The room of the conference that the session belongs to (XEP-0272)."""


def parse_jingle(node: Node) -> Jingle:
    """`<jingle/>`, of the standard library or of lxml. Raises JingleError."""
    if node.tag != JINGLE_TAG:
        raise bad_request("not a jingle element")
    action = ACTIONS.get(required(node, "action"))
    if action is None:
        raise bad_request("unknown action")
    reason = first(node, REASON)
    muji = first(node, MUJI_TAG)
    return Jingle(
        action=action,
        sid=required(node, "sid"),
        initiator=text(node, "initiator", VALUE_CHARS),
        responder=text(node, "responder", VALUE_CHARS),
        contents=tuple(parse_content(child) for child in named(node, CONTENT, MAX_CONTENTS)),
        groups=tuple(parse_group(child) for child in named(node, GROUP, MAX_GROUPS)),
        reason=None if reason is None else parse_reason(reason),
        info=parse_info(node),
        muji_room="" if muji is None else text(muji, "room", VALUE_CHARS),
        **vars(parse_parts(node)),
    )


def build_jingle(jingle: Jingle) -> Element:
    """`<jingle/>`."""
    made = element(
        JINGLE,
        "jingle",
        {
            "action": jingle.action.value,
            "sid": jingle.sid,
            "initiator": jingle.initiator,
            "responder": jingle.responder,
        },
    )
    made.extend(build_content(content) for content in jingle.contents)
    made.extend(build_group(group) for group in jingle.groups)
    if jingle.info is not None:
        info = {"name": jingle.info.name, "creator": jingle.info.creator}
        made.append(element(RTP_INFO, jingle.info.kind, info))
    if jingle.muji_room:
        made.append(element(MUJI, "muji", {"room": jingle.muji_room}))
    made.extend(build_parts(jingle))
    if jingle.reason is not None:
        made.append(build_reason(jingle.reason))
    return made


def parse_content(node: Node) -> Content:
    """`<content/>`; a description or transport of another kind is named in `foreign`. Raises JingleError."""
    description: RtpDescription | None = None
    transport: IceTransport | None = None
    foreign: list[str] = []
    for tag, child in children(node):
        if tag == DESCRIPTION and description is None:
            description = parse_description(child)
        elif tag == TRANSPORT and transport is None:
            transport = parse_transport(child)
        elif local_name(tag) in ("description", "transport") and len(foreign) < MAX_PARAMETERS:
            foreign.append(namespace(tag))
    return Content(
        name=required(node, "name"),
        creator=token(node, "creator", CREATORS) or "initiator",
        senders=token(node, "senders", SENDERS),
        disposition=text(node, "disposition"),
        description=description,
        transport=transport,
        foreign=tuple(foreign),
    )


def build_content(content: Content) -> Element:
    """`<content/>`; what is foreign is not written."""
    made = element(
        JINGLE,
        "content",
        {
            "creator": content.creator,
            "name": content.name,
            "senders": content.senders,
            "disposition": content.disposition,
        },
    )
    if content.description is not None:
        made.append(build_description(content.description))
    if content.transport is not None:
        made.append(build_transport(content.transport))
    return made


def parse_group(node: Node) -> Group:
    """`<group/>`. Raises JingleError."""
    members = named(node, GROUP_CONTENT, MAX_CONTENTS)
    return Group(required(node, "semantics"), tuple(required(member, "name") for member in members))


def build_group(group: Group) -> Element:
    """`<group/>`."""
    made = element(GROUPING, "group", {"semantics": group.semantics})
    made.extend(element(GROUPING, "content", {"name": name}) for name in group.contents)
    return made


def parse_reason(node: Node) -> Reason:
    """`<reason/>`. Raises JingleError."""
    condition, words = "", ""
    for tag, child in children(node):
        if tag == REASON_TEXT:
            words = content_text(child, TEXT_CHARS)
        elif namespace(tag) == JINGLE and not condition:
            condition = local_name(tag)
    if not CONDITION.fullmatch(condition):
        raise bad_request("a reason without a condition")
    return Reason(condition, words)


def build_reason(reason: Reason) -> Element:
    """`<reason/>`."""
    made = element(JINGLE, "reason")
    made.append(element(JINGLE, reason.condition))
    if reason.text:
        words = element(JINGLE, "text")
        words.text = reason.text
        made.append(words)
    return made


def parse_info(jingle: Node) -> SessionInfo | None:
    """The payload of XEP-0167 in a session-info, None without one. Raises JingleError."""
    for tag, child in children(jingle):
        if namespace(tag) == RTP_INFO and local_name(tag) in INFO_KINDS:
            creator = token(child, "creator", CREATORS)
            return SessionInfo(local_name(tag), text(child, "name", NAME_CHARS), creator)
    return None
