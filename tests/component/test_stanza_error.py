"""Stanza errors on their way to the wire and back."""

from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given

from component import stanza as stanzas
from component.stanza_error import TYPES, StanzaError, read_error
from tests.component.elements import elements


@pytest.mark.parametrize("condition", TYPES)
def test_each_condition_survives_the_wire(condition: str) -> None:
    request = stanzas.iq("set", "focus.b", "a@b/c", Element("{urn:x}secret"), id="7")
    reply = StanzaError(condition, "why", app=Element("{urn:x}app")).reply(request)
    assert (reply.get("to"), reply.get("from"), reply.get("id")) == ("a@b/c", "focus.b", "7")
    assert b"secret" not in stanzas.serialise(reply)
    error = read_error(reply)
    assert (error.condition, error.type, error.text) == (condition, TYPES[condition], "why")
    assert error.app is not None
    assert error.app.tag == "{urn:x}app"


@given(elements())
def test_anything_reads_as_some_error(element: Element) -> None:
    error = read_error(element)
    assert error.condition in TYPES
    assert len(error.text) <= 500


def test_an_error_in_the_clients_namespace_is_read() -> None:
    iq = fromstring(
        "<iq type='error'><error xmlns='jabber:client' type='wait'>"
        "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
    assert (read_error(iq).condition, read_error(iq).type) == ("conflict", "wait")


def test_an_unknown_condition_or_type_is_not_believed() -> None:
    iq = fromstring(
        "<iq type='error'><error type='hm'><whim xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
    assert (read_error(iq).condition, read_error(iq).type) == ("undefined-condition", "cancel")
