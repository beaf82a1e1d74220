"""Who gets which services and credentials (XEP-0215)."""

from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

import pytest

from carillon import credentials
from carillon.journal import Journal
from carillon.settings import parse
from component.delegation import Delegation
from component.external_services import BURST, MAX_NAMED, NAMESPACES, PER_SECOND, ExternalServices
from component.stanza_error import StanzaError
from tests.component.fake_link import FakeLink

SECRET = "the relay's"
NOW = 1_800_000_000.5


class Services:
    """The service on a link, with a clock that stands still."""

    def __init__(self, **turn: object) -> None:
        given = {"advertise": "relay.example", "udp_port": 3478, "tcp_port": 443, "credential_ttl_s": 3600}
        self.turn = replace(parse("", Path("/nowhere/carillon.toml")).turn, **(given | turn))  # type: ignore[arg-type]
        self.now = NOW
        self.link = FakeLink()
        hosts = frozenset(("example", "guest.example"))
        self.service = ExternalServices(
            self.link,
            Delegation(self.link, hosts, Journal(None, 0.0)),
            self.turn,
            SECRET,
            hosts,
            clock=lambda: self.now,
        )

    def ask(
        self, payload: Element | None = None, sender: str = "ann@example/r", to: str = ""
    ) -> list[dict[str, str]]:
        answer = self.link.ask(
            Element("{urn:xmpp:extdisco:2}services") if payload is None else payload, sender, to
        )
        return [dict(service.items()) for service in answer]


def asked(namespace: str, *services: dict[str, str], **attributes: str) -> Element:
    """A request for the credentials of some services, or of one."""
    payload = Element(f"{{{namespace}}}credentials")
    for service in services or (attributes,):
        SubElement(payload, f"{{{namespace}}}service", service)
    return payload


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_user_gets_stun_and_turn_with_credentials_of_their_own(namespace: str) -> None:
    services = Services()
    answer = services.link.ask(Element(f"{{{namespace}}}services"))
    assert answer.tag == f"{{{namespace}}}services"
    assert {service.tag for service in answer} == {f"{{{namespace}}}service"}
    stun, udp, tcp = (dict(service.items()) for service in answer)
    assert stun == {"host": "relay.example", "port": "3478", "transport": "udp", "type": "stun"}
    assert (udp["type"], udp["transport"], udp["port"]) == ("turn", "udp", "3478")
    assert (tcp["type"], tcp["transport"], tcp["port"]) == ("turn", "tcp", "443")
    for turn in (udp, tcp):
        assert turn["username"] == "1800003600:ann@example"
        assert turn["password"] == credentials.password_of(SECRET, turn["username"])
        assert SECRET not in str(turn)


def test_only_the_present_version_says_when_credentials_end_and_who_needs_them() -> None:
    present, old = (Services().link.ask(Element(f"{{{namespace}}}services")) for namespace in NAMESPACES)
    stun, *turns = present
    assert not {"expires", "restricted"} & set(stun.keys())
    assert {turn.get("expires") for turn in turns} == {"2027-01-15T09:00:00Z"}
    assert {turn.get("restricted") for turn in turns} == {"1"}
    assert {key for service in old for key, _ in service.items()} == {
        *("host", "port", "transport", "type", "username", "password")
    }


def test_turn_over_tls_is_named_where_there_is_some() -> None:
    services = Services(tls_port=5349, tls_host="turn.example")
    (*_, turns) = services.ask()
    assert len(services.ask()) == 4
    assert (turns["type"], turns["transport"]) == ("turns", "tcp")
    assert (turns["host"], turns["port"]) == ("turn.example", "5349")
    assert turns["password"] == credentials.password_of(SECRET, turns["username"])
    assert services.ask(asked(NAMESPACES[0], host="turn.example", type="turns")) == [turns]
    with pytest.raises(StanzaError, match="item-not-found"):
        services.ask(asked(NAMESPACES[0], host="relay.example", type="turns"))


def test_guests_are_served_and_named_apart() -> None:
    services = Services()
    names = {services.ask(sender=f"{guest}@guest.example/r")[1]["username"] for guest in ("x1", "x2")}
    assert names == {"1800003600:x1@guest.example", "1800003600:x2@guest.example"}


@pytest.mark.parametrize(
    "sender",
    [
        "ann@other.example/r",
        "example",
        "example/r",
        "room@conference.example/ann",
        "ann@example.other.example/r",
        "other.example/ann@example",
        "@example/r",
    ],
)
def test_nobody_else_is(sender: str) -> None:
    services = Services()
    with pytest.raises(StanzaError, match="forbidden"):
        services.ask(sender=sender)
    with pytest.raises(StanzaError, match="forbidden"):
        services.ask(asked(NAMESPACES[0], host="relay.example", type="turn"), sender=sender)
    assert len(services.ask()) == 3


def test_only_the_domain_itself_answers() -> None:
    with pytest.raises(StanzaError, match="service-unavailable"):
        Services().ask(to="focus@focus.example")


@pytest.mark.parametrize(("type_", "count"), [("stun", 1), ("turn", 2), ("turns", 0), ("", 0)])
def test_services_of_one_type(type_: str, count: int) -> None:
    services = Services()
    answer = services.link.ask(Element("{urn:xmpp:extdisco:2}services", {"type": type_}))
    assert answer.get("type") == type_
    assert [service.get("type") for service in answer] == [type_] * count


@pytest.mark.parametrize(
    ("attributes", "transports"),
    [
        ({"host": "relay.example", "type": "turn"}, ["udp", "tcp"]),
        ({"host": "relay.example", "type": "turn", "port": "443"}, ["tcp"]),
        ({"host": "relay.example", "type": "turn", "transport": "udp"}, ["udp"]),
        ({"host": "relay.example", "type": "stun"}, ["udp"]),
        ({"host": "relay.example"}, ["udp", "udp", "tcp"]),
    ],
)
def test_credentials_of_one_service(attributes: dict[str, str], transports: list[str]) -> None:
    found = Services().ask(asked(NAMESPACES[1], **attributes))
    assert [service["transport"] for service in found] == transports
    assert all(("password" in service) == (service["type"] == "turn") for service in found)


@pytest.mark.parametrize(
    ("payload", "condition"),
    [
        (Element("{urn:xmpp:extdisco:2}credentials"), "bad-request"),
        (asked(NAMESPACES[0]), "bad-request"),
        (asked(NAMESPACES[0], host="relay.example"), "bad-request"),
        (asked(NAMESPACES[1], type="turn"), "bad-request"),
        (
            asked(NAMESPACES[0], *[{"host": "relay.example", "type": "turn"}] * (MAX_NAMED + 1)),
            "policy-violation",
        ),
        (asked(NAMESPACES[0], {"host": "relay.example", "type": "turn"}, {"host": "x"}), "bad-request"),
        (asked(NAMESPACES[0], type="turn"), "bad-request"),
        (asked(NAMESPACES[0], host="other.example", type="turn"), "item-not-found"),
        (asked(NAMESPACES[0], host="relay.example", type="short-lived-token"), "item-not-found"),
        (asked(NAMESPACES[0], host="relay.example", type="turn", port="1"), "item-not-found"),
    ],
)
def test_credentials_of_what_there_is_not(payload: Element, condition: str) -> None:
    with pytest.raises(StanzaError, match=condition):
        Services().ask(payload)


def test_credentials_of_several_services_at_once() -> None:
    relay = {"host": "relay.example", "type": "turn"}
    request = asked(
        NAMESPACES[0], relay | {"port": "3478"}, relay | {"port": "443"}, {"host": "x", "type": "turn"}
    )
    assert [service["port"] for service in Services().ask(request)] == ["3478", "443"]


def test_one_name_has_so_many_credentials_at_a_time_and_no_more() -> None:
    services = Services(credential_ttl_s=3600, credentials_per_user=12)
    names = set()
    for _ in range(72):
        services.now += 50.0
        (username,) = {turn["username"] for turn in services.ask() if turn["type"] == "turn"}
        assert 3300 < int(username.partition(":")[0]) - services.now <= 3600
        names.add(username)
    assert 12 <= len(names) <= 13  # one of them had expired when the last came


@pytest.mark.parametrize(("ttl_s", "count"), [(1, 2), (3, 2), (600, 24), (601, 7), (86400, 1000)])
def test_credentials_live_nearly_as_long_as_they_may(ttl_s: int, count: int) -> None:
    services = Services(credential_ttl_s=ttl_s, credentials_per_user=count)
    for _ in range(50):
        services.now += 7.7
        (username,) = {turn["username"] for turn in services.ask() if turn["type"] == "turn"}
        life_s = int(username.partition(":")[0]) - int(services.now)
        assert ttl_s - ttl_s / count - 1 < life_s <= ttl_s
        services.now += 1 / PER_SECOND


def test_a_thousand_questions_are_cut_short_for_who_asks_them_only() -> None:
    services, answered = Services(), 0
    for number in range(1000):
        try:
            services.ask(sender=f"ann@example/{number}")
            answered += 1
        except StanzaError as error:
            assert error.condition == "resource-constraint"
    assert answered == BURST
    assert services.ask(sender="bob@example/r")
    services.now += 1 / PER_SECOND
    assert services.ask()


def test_a_name_too_long_for_a_username_is_hashed() -> None:
    services = Services()
    (udp, _) = services.ask(
        asked(NAMESPACES[0], host="relay.example", type="turn"), sender=f"{'ä' * 400}@example/r"
    )
    assert len(udp["username"].encode()) < 513
    assert credentials.expiry(udp["username"]) == 1_800_003_600
    assert credentials.name_of(udp["username"])
