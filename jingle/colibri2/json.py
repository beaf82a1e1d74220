"""Colibri2 from and to JSON, in the form of JVB's REST interface.

The JSON is the XML written otherwise, so this module only translates between the two; what the parts mean and
how large they may be stands in the XML codec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element

from jingle.colibri2.data import Colibri2Error, ConferenceModified, ConferenceModify
from jingle.colibri2.xml import (
    CAPABILITY,
    CONNECT,
    CONNECTS,
    ENDPOINT,
    FORCE_MUTE,
    MEDIA,
    MEDIA_SOURCE,
    MODIFIED,
    MODIFY,
    RELAY,
    SCTP,
    SOURCES,
    WRAPPER,
    modified_xml,
    modify_xml,
    parse_modified_xml,
    parse_modify_xml,
)
from jingle.ice_codec import CANDIDATE, FINGERPRINT, RTCP_MUX, TRANSPORT
from jingle.jitsi.additions import INITIAL_LAST_N, WEB_SOCKET
from jingle.namespaces import ICE_UDP, RTP
from jingle.rtp_codec import EXTMAP_ALLOW_MIXED, FEEDBACK, HEADER_EXTENSION, PARAMETER, PAYLOAD_TYPE
from jingle.sources_codec import PARAMETERS, SOURCE, SSRC_GROUP

Json = dict[str, Any]
Write = Callable[[Element], Any]
Read = Callable[[Any], Element]

BOOLEANS: Final = frozenset(
    {
        "audio",
        "create",
        "cryptex",
        "expire",
        "ice-controlling",
        "ice-restart",
        "rtcstats-enabled",
        "synthetic",
        "video",
    }
)
"""Attributes that are true or false in JSON; those in NUMBERS are numbers, the rest is text."""
NUMBERS: Final = {(HEADER_EXTENSION, "id"), (SCTP, "port"), (INITIAL_LAST_N, "value"), (SOURCE, "ssrc")}
"""Attributes that are numbers in JSON."""
NAMELESS: Final = "null"
"""The key of a parameter without a name."""

# Element.extend turns what a generator raises into a TypeError: where a reader may refuse, it gets a list.


def parse_modify_json(body: Any, meeting_id: str = "") -> ConferenceModify:
    """A request. `meeting_id` is the one in the address of the resource and wins over the body's.

    Raises Colibri2Error.
    """
    if isinstance(body, dict) and meeting_id:
        body = {**body, "meeting-id": meeting_id}
    return parse_modify_xml(read(MODIFY, body))


def modify_json(request: ConferenceModify) -> Json:
    """A request as JSON."""
    return write(modify_xml(request))


def parse_modified_json(body: Any) -> ConferenceModified:
    """An answer. Raises Colibri2Error."""
    return parse_modified_xml(read(MODIFIED, body))


def modified_json(answer: ConferenceModified) -> Json:
    """An answer as JSON."""
    return write(modified_xml(answer))


LISTS: Final[dict[str, dict[str, str]]] = {
    MODIFY: {"endpoints": ENDPOINT, "relays": RELAY},
    MODIFIED: {"endpoints": ENDPOINT},
    ENDPOINT: {"medias": MEDIA, "capabilities": CAPABILITY},
    MEDIA: {"payload-types": PAYLOAD_TYPE, "rtp-hdrexts": HEADER_EXTENSION},
    PAYLOAD_TYPE: {"rtcp-fbs": FEEDBACK},
    TRANSPORT: {"fingerprints": FINGERPRINT, "candidates": CANDIDATE, "web-sockets": WEB_SOCKET},
    MEDIA_SOURCE: {"sources": SOURCE, "ssrc-groups": SSRC_GROUP},
    SSRC_GROUP: {"sources": SOURCE},
}
"""By element: the keys of lists and the children they hold."""
OBJECTS: Final[dict[str, dict[str, str]]] = {
    MODIFY: {"connects": CONNECTS},
    MODIFIED: {"sources": SOURCES},
    ENDPOINT: {
        "transport": WRAPPER,
        "sources": SOURCES,
        "force-mute": FORCE_MUTE,
        "initial-last-n": INITIAL_LAST_N,
    },
    WRAPPER: {"transport": TRANSPORT, "sctp": SCTP},
}
"""By element: the keys of single children."""
FLAGS: Final[dict[str, dict[str, str]]] = {
    MEDIA: {"extmap-allow-mixed": EXTMAP_ALLOW_MIXED},
    TRANSPORT: {"rtcp-mux": RTCP_MUX},
}
"""By element: the keys that are true when an empty child is there."""
PARAMETER_OF: Final = {PAYLOAD_TYPE: PARAMETER, SOURCE: f"{{{RTP}}}parameter"}
"""Elements whose `<parameter/>` children are one object."""


def write(node: Element) -> Json:
    """An element as an object."""
    made: Json = {"xmlns": ICE_UDP} if node.tag == TRANSPORT else {}
    for name, value in node.attrib.items():
        made[name] = write_attribute(node.tag, name, value)
    for key, tag in LISTS.get(node.tag, {}).items():
        found = [WRITERS.get(tag, write)(child) for child in node if child.tag == tag]
        if found:
            made[key] = found
    for key, tag in OBJECTS.get(node.tag, {}).items():
        child = node.find(tag)
        if child is not None:
            made[key] = WRITERS.get(tag, write)(child)
    for key, tag in FLAGS.get(node.tag, {}).items():
        if node.find(tag) is not None:
            made[key] = True
    parameters = [child for child in node if child.tag in PARAMETERS]
    if parameters:
        made["parameters"] = {p.get("name", NAMELESS): p.get("value", "") for p in parameters}
    return made


def write_attribute(tag: str, name: str, value: str) -> str | int | bool:
    """The value of an attribute in its JSON type."""
    if name in BOOLEANS and value in ("true", "false"):
        return value == "true"
    return int(value) if (tag, name) in NUMBERS else value


def write_fingerprint(node: Element) -> Json:
    """A fingerprint: its text becomes a member."""
    return {"fingerprint": node.text or "", **write(node)}


def write_source(node: Element) -> Json | int:
    """A source: a bare number when it has nothing but its SSRC."""
    made = write(node)
    ssrc: int = made["ssrc"]
    return ssrc if len(made) == 1 else made


WRITERS: Final[dict[str, Write]] = {
    CAPABILITY: lambda node: node.get("name"),
    WEB_SOCKET: lambda node: node.get("url"),
    FINGERPRINT: write_fingerprint,
    SOURCE: write_source,
    SOURCES: lambda node: [write(child) for child in node],
}


def read(tag: str, value: Any) -> Element:
    """An element out of an object; keys that have no meaning are passed over. Raises Colibri2Error."""
    if not isinstance(value, dict):
        raise malformed(tag)
    made = Element(tag)
    structural = {key for table in (LISTS, OBJECTS, FLAGS) for key in table.get(tag, {})} | {
        "parameters",
        "xmlns",
    }
    for key, member in value.items():
        if key not in structural and (attribute := read_attribute(member)) is not None:
            made.set(key, attribute)
    for key, child_tag in LISTS.get(tag, {}).items():
        made.extend([READERS.get(child_tag, reader(child_tag))(member) for member in members(value, key)])
    for key, child_tag in OBJECTS.get(tag, {}).items():
        if value.get(key) is not None:
            made.append(READERS.get(child_tag, reader(child_tag))(value[key]))
    made.extend(Element(child_tag) for key, child_tag in FLAGS.get(tag, {}).items() if value.get(key) is True)
    if tag in PARAMETER_OF and value.get("parameters") is not None:
        made.extend(read_parameters(PARAMETER_OF[tag], value["parameters"]))
    return made


def reader(tag: str) -> Read:
    """A function that reads an object as an element called `tag`."""
    return lambda value: read(tag, value)


def members(value: Json, key: str) -> list[Any]:
    """The list under a key, empty without one. Raises Colibri2Error when it is something else."""
    found = value.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise malformed(key)
    return found


def read_attribute(value: Any) -> str | None:
    """A scalar as the text of an attribute, None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 2**63 else "too large"
    return value if isinstance(value, str) else None


def read_parameters(tag: str, value: Any) -> list[Element]:
    """`<parameter/>` elements out of an object. Raises Colibri2Error."""
    if not isinstance(value, dict):
        raise malformed("parameters")
    made: list[Element] = []
    for name, member in value.items():
        attributes: Mapping[str, str | None] = {
            "name": None if name == NAMELESS else name,
            "value": read_attribute(member),
        }
        made.append(Element(tag, {key: text for key, text in attributes.items() if text is not None}))
    return made


def read_named(tag: str, attribute: str) -> Read:
    """A function that reads a text as an element with that one attribute."""

    def read_text(value: Any) -> Element:
        if not isinstance(value, str):
            raise malformed(tag)
        return Element(tag, {attribute: value})

    return read_text


def read_fingerprint(value: Any) -> Element:
    """A fingerprint: one member is its text. Raises Colibri2Error."""
    made = read(FINGERPRINT, value)
    made.text = made.attrib.pop("fingerprint", "")
    return made


def read_source(value: Any) -> Element:
    """A source: an object or its bare SSRC. Raises Colibri2Error."""
    return read(SOURCE, {"ssrc": value} if isinstance(value, int | str) else value)


def read_sources(value: Any) -> Element:
    """The list of named sources. Raises Colibri2Error."""
    made = Element(SOURCES)
    made.extend([read(MEDIA_SOURCE, member) for member in members({"sources": value}, "sources")])
    return made


def read_connects(value: Any) -> Element:
    """The list of connects, of which only the number matters. Raises Colibri2Error."""
    made = Element(CONNECTS)
    made.extend([Element(CONNECT) for _ in members({"connects": value}, "connects")])
    return made


def malformed(what: str) -> Colibri2Error:
    """The error for JSON of the wrong shape."""
    return Colibri2Error("unspecified", f"{what.rpartition('}')[2]} has the wrong type")


READERS: Final[dict[str, Read]] = {
    CAPABILITY: read_named(CAPABILITY, "name"),
    WEB_SOCKET: read_named(WEB_SOCKET, "url"),
    FINGERPRINT: read_fingerprint,
    SOURCE: read_source,
    SOURCES: read_sources,
    CONNECTS: read_connects,
}
