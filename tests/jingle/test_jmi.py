"""Calls proposed by message (XEP-0353)."""

from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.content import Reason
from jingle.errors import JingleError
from jingle.jmi import JMI, Invitation, Step, build_invitation, parse_invitation


def message(*children: Element) -> Element:
    made = Element("{jabber:client}message")
    made.extend(children)
    return made


@pytest.mark.parametrize(
    ("file", "step", "media"),
    [
        ("dino-audio-video/0001-dino-to-component-jmi-propose.xml", Step.PROPOSE, ("audio", "video")),
        ("dino-audio-video/0002-component-to-dino-jmi-ringing.xml", Step.RINGING, ()),
        ("dino-audio-video/0003-component-to-dino-jmi-proceed.xml", Step.PROCEED, ()),
        (
            "stanzajs-jmi-mute-hold/0001-stanzajs-to-component-jmi-propose.xml",
            Step.PROPOSE,
            ("audio", "video"),
        ),
    ],
)
def test_recorded_messages_are_read(captures: Path, file: str, step: Step, media: tuple[str, ...]) -> None:
    found = parse_invitation(fromstring((captures / "plain-clients" / file).read_text()))
    assert found is not None
    assert (found.step, found.media) == (step, media)
    assert len(found.id) == 36


@pytest.mark.parametrize("step", Step)
def test_what_is_written_is_read(step: Step) -> None:
    made = Invitation(step, "an id", ("audio",), Reason("busy", "not now"))
    assert parse_invitation(message(build_invitation(made))) == made


def test_another_message_is_none() -> None:
    assert parse_invitation(message(Element("{jabber:client}body"), Element(f"{{{JMI}}}dance"))) is None


def test_a_step_needs_an_id() -> None:
    with pytest.raises(JingleError, match="id"):
        parse_invitation(message(Element(f"{{{JMI}}}propose")))


def _with(tag: str, children: list[Element]) -> Element:
    made = Element(tag, {"id": "x"})
    made.extend(children)
    return made


_TAGS = st.sampled_from(
    [f"{{{JMI}}}propose", f"{{{JMI}}}reject", "{urn:xmpp:jingle:1}reason", "{urn:xmpp:jingle:1}busy", "x"]
)
_TREES = st.recursive(
    st.builds(lambda tag, id: Element(tag, {"id": id}), _TAGS, st.text(max_size=300)),
    lambda children: st.builds(_with, _TAGS, st.lists(children, max_size=4)),
)


@given(st.lists(_TREES, max_size=3))
def test_no_message_raises_anything_else(children: list[Element]) -> None:
    try:
        parse_invitation(message(*children))
    except JingleError as error:
        assert error.condition
