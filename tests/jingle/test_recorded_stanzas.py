"""Every recorded Jingle and Colibri2 stanza: element → data → element (→ JSON → data) gives it again."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from lxml import etree

from jingle import colibri2
from jingle.element import build_jingle, parse_jingle
from jingle.jitsi.conference import build_conference, parse_conference

JINGLE = "{urn:xmpp:jingle:1}jingle"
MODIFY = "{jitsi:colibri2}conference-modify"
MODIFIED = "{jitsi:colibri2}conference-modified"
CONFERENCE = "{http://jitsi.org/protocol/focus}conference"

RTP = "{urn:xmpp:jingle:apps:rtp:1}"
SSMA = "{urn:xmpp:jingle:apps:rtp:ssma:0}"
ICE = "{urn:xmpp:jingle:transports:ice-udp:1}"
JSON_MESSAGE = "{http://jitsi.org/jitmeet}json-message"

LEFT_OUT = {
    "{jitsi:opentelemetry}traceparent": "tracing of one implementation: no part of the request",
    f"{RTP}encryption": "SDES keys in clear: never kept, so never repeated",
}
DEFAULTS = {
    (f"{RTP}payload-type", "channels", "1"): "XEP-0167 §4: absent means 1",
    (f"{RTP}parameter", "value", ""): "a parameter without a value has the empty one",
    (f"{ICE}candidate", "generation", "0"): "XEP-0176: a first candidate; some clients leave it out",
}
UNORDERED = {
    f"{SSMA}parameter": "RFC 5576 §4.1: the attributes of a source have no order",
}


def canonical(node: ET.Element) -> ET.Element:
    """A copy without what the tables name; children of different kinds in the order of their names.

    Children of one kind keep their order: candidates, payload types and sources are lists with a meaning.
    """
    made = ET.Element(node.tag)
    for name, value in node.attrib.items():
        if (node.tag, name, value) not in DEFAULTS:
            made.set(name, value)
    made.text = (node.text or "").strip()
    if node.tag == JSON_MESSAGE:
        made.text = json.dumps(json.loads(made.text), sort_keys=True)
    kept = [canonical(child) for child in node if child.tag not in LEFT_OUT]
    made.extend(sorted(kept, key=lambda c: (c.tag, c.get("name", "") if c.tag in UNORDERED else "")))
    return made


def c14n(node: ET.Element) -> str:
    return ET.canonicalize(ET.tostring(canonical(node), encoding="unicode"))


def payload(path: Path, tag: str) -> ET.Element:
    node = ET.parse(path).getroot().find(tag)
    assert node is not None
    return node


def lxml_payload(path: Path, tag: str) -> etree._Element:
    node = etree.parse(str(path)).getroot().find(tag)
    assert node is not None
    return node


def test_jingle_comes_back_as_it_was(recorded_jingle: Path) -> None:
    node = payload(recorded_jingle, JINGLE)
    jingle = parse_jingle(node)
    assert c14n(build_jingle(jingle)) == c14n(node)
    assert parse_jingle(lxml_payload(recorded_jingle, JINGLE)) == jingle


def test_colibri2_request_comes_back_as_it_was(recorded_modify: Path) -> None:
    node = payload(recorded_modify, MODIFY)
    request = colibri2.parse_modify_xml(node)
    assert c14n(colibri2.modify_xml(request)) == c14n(node)
    assert colibri2.parse_modify_xml(lxml_payload(recorded_modify, MODIFY)) == request
    body = json.loads(json.dumps(colibri2.modify_json(request)))
    assert colibri2.parse_modify_json(body) == request


def test_colibri2_answer_comes_back_as_it_was(recorded_modified: Path) -> None:
    node = payload(recorded_modified, MODIFIED)
    answer = colibri2.parse_modified_xml(node)
    assert c14n(colibri2.modified_xml(answer)) == c14n(node)
    assert colibri2.parse_modified_xml(lxml_payload(recorded_modified, MODIFIED)) == answer
    body = json.loads(json.dumps(colibri2.modified_json(answer)))
    assert colibri2.parse_modified_json(body) == answer


def test_conference_request_and_answer_come_back_as_they_were(recorded_conference: Path) -> None:
    node = payload(recorded_conference, CONFERENCE)
    conference = parse_conference(node)
    assert c14n(build_conference(conference)) == c14n(node)


def test_nothing_recorded_is_missing(captures: Path) -> None:
    counts = {JINGLE: 0, MODIFY: 0, MODIFIED: 0}
    for path in captures.rglob("*.xml"):
        for node in ET.parse(path).getroot():
            if node.tag in counts:
                counts[node.tag] += 1
    assert counts == {JINGLE: 237, MODIFY: 74, MODIFIED: 74}


def test_the_comparison_sees_each_lost_element_and_attribute(captures: Path) -> None:
    path = next(captures.glob("ws-2tabs/*client-to-server-jingle-session-accept.xml"))
    whole = c14n(payload(path, JINGLE))
    size = sum(1 for _ in payload(path, JINGLE).iter())
    for index in range(size):
        node = payload(path, JINGLE)
        one = list(node.iter())[index]
        if one.tag in LEFT_OUT or (one.tag, "channels", one.get("channels")) in DEFAULTS:
            continue
        one.set("lost", "no")
        assert c14n(node) != whole
        del one.attrib["lost"]
        for child in [child for child in one if child.tag not in LEFT_OUT]:
            one.remove(child)
            assert c14n(node) != whole
