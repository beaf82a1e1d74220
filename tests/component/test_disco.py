"""What the component says of itself."""

from xml.etree.ElementTree import Element

import pytest

from component.disco import DISCO_INFO_NS, DISCO_ITEMS_NS, FOCUS, Disco
from component.stanza_error import StanzaError
from tests.component.fake_link import FakeLink

INFO = f"{{{DISCO_INFO_NS}}}query"
ITEMS = f"{{{DISCO_ITEMS_NS}}}query"


@pytest.fixture
def link() -> FakeLink:
    link = FakeLink()
    Disco(link, FOCUS, ["urn:xmpp:extdisco:2"])
    return link


@pytest.mark.parametrize("to", ["", "focus@focus.example/focus"])
def test_info_names_an_identity_and_every_feature(link: FakeLink, to: str) -> None:
    info = link.ask(Element(INFO), to=to)
    assert info.tag == INFO
    (identity,) = info.findall(f"{{{DISCO_INFO_NS}}}identity")
    assert (identity.get("category"), identity.get("type")) == ("component", "generic")
    features = {feature.get("var") for feature in info.findall(f"{{{DISCO_INFO_NS}}}feature")}
    assert features == {
        DISCO_INFO_NS,
        DISCO_ITEMS_NS,
        "urn:xmpp:extdisco:2",
        "urn:xmpp:ping",
    }


def test_there_are_no_items(link: FakeLink) -> None:
    items = link.ask(Element(ITEMS))
    assert (items.tag, len(items)) == (ITEMS, 0)


@pytest.mark.parametrize("tag", [INFO, ITEMS])
def test_there_are_no_nodes(link: FakeLink, tag: str) -> None:
    with pytest.raises(StanzaError, match="item-not-found"):
        link.ask(Element(tag, {"node": "x"}))


@pytest.mark.parametrize("tag", [INFO, ITEMS, "{jabber:iq:version}query", "{urn:x}unknown"])
def test_what_cannot_be_set_or_is_unknown_is_answered_so(link: FakeLink, tag: str) -> None:
    with pytest.raises(StanzaError, match="service-unavailable"):
        link.ask(Element(tag), type="set")


def test_the_version_is_nobodys_business(link: FakeLink) -> None:
    with pytest.raises(StanzaError, match="service-unavailable"):
        link.ask(Element("{jabber:iq:version}query"))


def test_a_ping_is_answered(link: FakeLink) -> None:
    assert link.ask(Element("{urn:xmpp:ping}ping")).get("type") == "result"
