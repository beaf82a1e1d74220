"""Colibri2, the protocol between a focus and a bridge: as data, in XML, in JSON (the REST form of JVB)."""

from jingle.colibri2.data import (
    Colibri2Error,
    ConferenceModified,
    ConferenceModify,
    Endpoint,
    Media,
    MediaSource,
    Sctp,
    Transport,
)
from jingle.colibri2.json import modified_json, modify_json, parse_modified_json, parse_modify_json
from jingle.colibri2.xml import modified_xml, modify_xml, parse_modified_xml, parse_modify_xml

__all__ = [
    "Colibri2Error",
    "ConferenceModified",
    "ConferenceModify",
    "Endpoint",
    "Media",
    "MediaSource",
    "Sctp",
    "Transport",
    "modified_json",
    "modified_xml",
    "modify_json",
    "modify_xml",
    "parse_modified_json",
    "parse_modified_xml",
    "parse_modify_json",
    "parse_modify_xml",
]
