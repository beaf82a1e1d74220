"""What the XMPP server delegates to us, and what only says so (XEP-0355)."""

from copy import deepcopy
from random import Random
from xml.etree.ElementTree import Element, SubElement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.journal import Journal
from carillon.journal.memory_store import MemoryStore
from component import stanza as stanzas
from component.delegation import CLIENT_NS, FORWARD_NS, VERSIONS, Delegation, nodes
from component.disco import DISCO_INFO_NS, FOCUS, Disco
from component.link.interface import StateHandler
from component.stanza_error import STANZAS_NS, StanzaError
from tests.component.fake_link import FakeLink

SERVED = "urn:x:served"
PING = f"{{{SERVED}}}ping"
ON_BOTH_VERSIONS = pytest.mark.parametrize("version", VERSIONS)


class StatefulLink(FakeLink):
    """A link that can be lost."""

    def __init__(self) -> None:
        super().__init__()
        self.handlers: list[StateHandler] = []

    def on_state(self, handler: StateHandler) -> None:
        self.handlers.append(handler)

    def lose(self) -> None:
        for handler in self.handlers:
            handler(False)

    def begin(self, session: str) -> None:
        self.session = session
        for handler in self.handlers:
            handler(True)


class Server:
    """An XMPP server of two domains, with a component that says pong."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.link = StatefulLink()
        self.delegation = Delegation(self.link, ("example", "guest.example"), Journal(store, 3600))
        self.delegation.on_iq("get", PING, self._pong)
        self.seen: list[Element] = []

    def delegated(self, domain: str) -> set[str]:
        """What it has delegated on this domain."""
        return {namespace for server, namespace in self.delegation._delegated if server == domain}

    def _pong(self, iq: Element) -> Element:
        self.seen.append(iq)
        if iq[0].get("mood") == "bad":
            raise StanzaError("item-not-found", "no ball")
        return Element(f"{{{SERVED}}}pong")

    def say(
        self, version: str = VERSIONS[0], *namespaces: str, sender: str = "example", type: str = "normal"
    ) -> None:
        """Delegate, as a message of the server does."""
        said = Element(f"{{{version}}}delegation")
        for namespace in namespaces or (SERVED,):
            SubElement(said, f"{{{version}}}delegated", {"namespace": namespace})
        self.link.deliver(stanzas.message(type, "focus.example", sender, said))

    def forward(self, iq: Element, version: str = VERSIONS[0], sender: str = "example") -> Element:
        """Forward an IQ; the answer inside the wrappers. Raises the StanzaError of the wrapping."""
        answer = self.link.ask(wrapped(iq, version=version), sender, type="set")
        assert answer.tag == f"{{{version}}}delegation"
        (forwarded,) = answer
        assert forwarded.tag == f"{{{FORWARD_NS}}}forwarded"
        (inner,) = forwarded
        return inner


def wrapped(*inside: Element, version: str = VERSIONS[0]) -> Element:
    """What the server puts around what it forwards."""
    delegation = Element(f"{{{version}}}delegation")
    SubElement(delegation, f"{{{FORWARD_NS}}}forwarded").extend(inside)
    return delegation


def question(
    payload: Element | None = None,
    *,
    type: str = "get",
    id: str = "q1",
    asker: str = "ann@example/r",
    to: str = "example",
) -> Element:
    """An IQ of a user, as clients send it; an attribute that is "" is left out."""
    attributes = {"type": type, "id": id, "from": asker, "to": to}
    iq = Element(f"{{{CLIENT_NS}}}iq", {key: value for key, value in attributes.items() if value})
    iq.append(Element(PING) if payload is None else payload)
    return iq


def condition(answer: Element) -> str:
    """The condition of an error answer to a client."""
    assert answer.get("type") == "error"
    (error,) = answer
    assert error.tag == f"{{{CLIENT_NS}}}error"
    return error[0].tag.removeprefix(f"{{{STANZAS_NS}}}")


@ON_BOTH_VERSIONS
def test_a_question_is_answered_as_the_server_would(version: str) -> None:
    server = Server()
    server.say(version)
    answer = server.forward(question(), version)
    assert answer.tag == f"{{{CLIENT_NS}}}iq"
    assert dict(answer.items()) == {"type": "result", "id": "q1", "from": "example", "to": "ann@example/r"}
    assert [child.tag for child in answer] == [f"{{{SERVED}}}pong"]
    (seen,) = server.seen
    assert seen.tag == stanzas.IQ


@ON_BOTH_VERSIONS
def test_an_error_is_wrapped_as_well_so_that_it_reaches_the_user(version: str) -> None:
    server = Server()
    server.say(version)
    answer = server.forward(question(Element(PING, {"mood": "bad"})), version)
    assert (answer.get("to"), answer.get("from"), answer.get("id")) == ("ann@example/r", "example", "q1")
    assert condition(answer) == "item-not-found"
    assert answer[0].get("type") == "cancel"


def test_guests_of_the_same_server_are_answered_by_either_domain() -> None:
    server = Server()
    server.say(sender="example")
    server.say(sender="guest.example")
    guest = "g7@guest.example/r"
    assert server.forward(question(asker=guest)).get("type") == "result"
    answer = server.forward(question(asker=guest, to="guest.example"), sender="guest.example")
    assert (answer.get("type"), answer.get("from")) == ("result", "guest.example")


@pytest.mark.parametrize(
    "asker",
    ["eve@other.example/r", "example.evil/r", "eve@example@evil.example/r", "room@conference.example/ann"],
)
def test_strangers_whose_question_the_server_forwards_are_forbidden(asker: str) -> None:
    server = Server()
    server.say()
    assert condition(server.forward(question(asker=asker))) == "forbidden"
    assert server.seen == []


@pytest.mark.parametrize(
    "to", ["bob@example", "ann@example", "", "other.example", "example/r", "guest.example"]
)
def test_only_what_is_for_the_domain_that_forwards_is_answered(to: str) -> None:
    server = Server()
    server.say()
    answer = server.forward(question(to=to))
    assert condition(answer) == "service-unavailable"
    assert answer.get("from") == (to or "ann@example")
    assert server.seen == []


@pytest.mark.parametrize(("type_", "tag"), [("set", PING), ("get", f"{{{SERVED}}}other")])
def test_what_nobody_handles_is_unavailable(type_: str, tag: str) -> None:
    server = Server()
    server.say()
    assert condition(server.forward(question(Element(tag), type=type_))) == "service-unavailable"


@pytest.mark.parametrize(
    "forger", ["ann@example/r", "ann@example", "example/r", "evil.example", "proxy.example", "EXAMPLE.evil"]
)
@ON_BOTH_VERSIONS
def test_a_forged_delegation_is_refused_whoever_it_says_to_be_from(forger: str, version: str) -> None:
    server = Server()
    server.say(version)
    with pytest.raises(StanzaError, match="forbidden"):
        server.forward(question(), version, sender=forger)
    assert server.seen == []


@pytest.mark.parametrize("forger", ["ann@example/r", "room@conference.example/eve", "evil.example"])
def test_a_users_message_delegates_nothing(forger: str) -> None:
    server = Server()
    server.say(sender=forger)
    server.say(sender=forger, type="groupchat")
    assert server.delegated(forger) == set()
    with pytest.raises(StanzaError, match="forbidden"):
        server.forward(question())


def test_nothing_is_answered_before_the_server_has_delegated_it() -> None:
    server = Server()
    with pytest.raises(StanzaError, match="forbidden"):
        server.forward(question())
    server.say(VERSIONS[0], "urn:x:other", VERSIONS[0])
    server.say(type="error")
    server.say(sender="guest.example")
    with pytest.raises(StanzaError, match="forbidden"):
        server.forward(question())


def test_only_namespaces_that_something_serves_are_remembered() -> None:
    server = Server()
    server.say(VERSIONS[0], *(f"urn:x:{number}" for number in range(1000)), SERVED)
    assert server.delegated("example") == {SERVED}


def test_messages_of_the_server_add_up_and_the_end_of_the_session_ends_them() -> None:
    server = Server()
    server.delegation.on_iq("get", "{urn:x:more}ping", lambda iq: None)
    server.say(VERSIONS[1], SERVED)
    server.say(VERSIONS[1], "urn:x:more")
    assert server.delegated("example") == {SERVED, "urn:x:more"}
    assert len(server.forward(question(Element("{urn:x:more}ping")), VERSIONS[1])) == 0
    server.link.lose()
    assert server.delegated("example") == set()


def _with(element: Element, *children: Element) -> Element:
    element.extend(children)
    return element


FORWARDED = f"{{{FORWARD_NS}}}forwarded"
MALFORMED = [
    Element(f"{{{VERSIONS[0]}}}delegation"),
    _with(Element(f"{{{VERSIONS[0]}}}delegation"), Element("{urn:xmpp:forward:1}forwarded")),
    _with(Element(f"{{{VERSIONS[0]}}}delegation"), Element(FORWARDED), Element(FORWARDED)),
    wrapped(),
    wrapped(question(), question()),
    wrapped(Element(f"{{{CLIENT_NS}}}message")),
    wrapped(Element(f"{{{FORWARD_NS}}}iq")),
    wrapped(
        Element(f"{{{CLIENT_NS}}}iq", {"type": "get", "id": "1", "from": "ann@example/r", "to": "example"})
    ),
    wrapped(_with(question(), Element(PING))),
    wrapped(question(type="result")),
    wrapped(question(type="")),
    wrapped(question(id="")),
    wrapped(question(asker="")),
    _with(Element(f"{{{VERSIONS[0]}}}delegation"), wrapped(question())),
]


def test_a_process_that_follows_in_the_same_session_goes_on_with_what_was_delegated() -> None:
    store = MemoryStore()
    first = Server(store)
    first.link.begin("the server's session")
    first.say()
    second = Server(store)
    second.link.begin("the server's session")
    assert second.delegated("example") == {SERVED}
    assert second.delegated("guest.example") == set()


def test_a_process_that_follows_in_another_session_waits_for_the_server_to_say_it_anew() -> None:
    store = MemoryStore()
    first = Server(store)
    first.link.begin("the server's session")
    first.say()
    second = Server(store)
    second.link.begin("another session")
    assert second.delegated("example") == set()
    assert store.rows == {}


@pytest.mark.parametrize("payload", MALFORMED)
def test_what_is_no_forwarded_question_is_a_bad_request(payload: Element) -> None:
    server = Server()
    server.say()
    with pytest.raises(StanzaError, match="bad-request"):
        server.link.ask(payload, "example", type="set")


def test_a_delegation_inside_a_delegation_leads_nowhere() -> None:
    server = Server()
    server.say(VERSIONS[0], *VERSIONS, SERVED)
    inner = question(wrapped(question(asker="bob@example/r")), type="set")
    with pytest.raises(StanzaError, match="forbidden"):
        server.forward(inner)
    assert server.seen == []


def test_a_time_of_receipt_beside_the_question_is_in_order() -> None:
    server = Server()
    server.say()
    payload = wrapped(Element("{urn:xmpp:delay}delay"), question())
    assert server.link.ask(payload, "example", type="set")[0][0].get("type") == "result"


@ON_BOTH_VERSIONS
@pytest.mark.parametrize(("separator", "features"), [("::", [SERVED]), (":bare:", [])])
def test_the_server_learns_what_to_list(version: str, separator: str, features: list[str]) -> None:
    link = FakeLink()
    Disco(link, FOCUS, (), nodes((SERVED,)))
    node = f"{version}{separator}{SERVED}"
    info = link.ask(Element(f"{{{DISCO_INFO_NS}}}query", {"node": node}), "example")
    assert info.get("node") == node
    assert [child.get("var") for child in info] == features


def test_other_nodes_there_are_none() -> None:
    link = FakeLink()
    Disco(link, FOCUS, (), nodes((SERVED,)))
    with pytest.raises(StanzaError, match="item-not-found"):
        link.ask(Element(f"{{{DISCO_INFO_NS}}}query", {"node": f"{VERSIONS[0]}::urn:x:other"}), "example")


_TAGS = (
    *(f"{{{version}}}delegation" for version in VERSIONS),
    *(FORWARDED, f"{{{CLIENT_NS}}}iq", PING, f"{{{CLIENT_NS}}}error"),
)


_KEYS = ("type", "id", "from", "to", "namespace")
_VALUES = ("get", "set", "", "example", "ann@example/r", "x@evil/r", SERVED)


def delegation_like(seed: int) -> Element:
    """A delegation that is right but for a few accidents, each somewhere in it."""
    rng = Random(seed)
    delegation = wrapped(question(type=rng.choice(("get", "set"))))
    SubElement(delegation, f"{{{VERSIONS[0]}}}delegated", {"namespace": SERVED})
    if rng.random() < 0.5:
        del delegation[-1]
    for _ in range(rng.randrange(4)):
        element = rng.choice(list(delegation.iter()))
        accident = rng.randrange(4)
        if accident == 0 and element is not delegation:
            element.tag = rng.choice(_TAGS)
        elif accident == 1:
            element.set(rng.choice(_KEYS), rng.choice(_VALUES))
        elif accident == 2:
            element.append(deepcopy(rng.choice(list(delegation.iter()))))
        elif len(element):
            del element[rng.randrange(len(element))]
    delegation.tag = rng.choice(_TAGS[:2])
    return delegation


@given(st.integers(0, 2**64), st.sampled_from(["example", "ann@example/r", "evil.example"]))
def test_whatever_is_forwarded_there_is_one_answer_and_only_own_users_are_heard(
    seed: int, sender: str
) -> None:
    server = Server()
    server.say()
    payload = delegation_like(seed)
    try:
        answer = server.link.ask(payload, sender, type="set")
    except StanzaError as error:
        assert error.condition in ("bad-request", "forbidden")
    else:
        assert (sender, answer.tag) == ("example", payload.tag)
    assert all(stanzas.domain(iq.get("from", "")) == "example" for iq in server.seen)


@given(st.integers(0, 2**64), st.sampled_from(["example", "ann@example/r"]))
def test_whatever_a_message_says_only_what_is_served_is_delegated(seed: int, sender: str) -> None:
    server = Server()
    server.link.deliver(stanzas.message("normal", "focus.example", sender, delegation_like(seed)))
    assert server.delegated("example") <= {SERVED}
    assert server.link.sent == []
