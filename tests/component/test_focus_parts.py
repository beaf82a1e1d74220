"""The small parts of the focus, each by itself."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.settings import parse
from component.focus.admission import Admission, room_address
from component.focus.features import MAX_CACHED, Caps, FeatureCache, features_of, verification_string
from component.focus.occupant import MUC_USER, parse_room_presence
from component.focus.restarts import RestartLimit
from component.focus.signalling import signalling_delay_s
from component.stanza_error import StanzaError
from tests.component.elements import elements, stanzas
from tests.component.focus_room import FIRST, ROOM, recorded

MUC = "conference.localhost"

# XEP-0115 §5.2 and §5.3
SIMPLE = """<query xmlns='http://jabber.org/protocol/disco#info'>
<identity category='client' name='Exodus 0.9.1' type='pc'/>
<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>
<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/></query>"""
COMPLEX = """<query xmlns='http://jabber.org/protocol/disco#info'>
<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
<identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>
<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>
<x xmlns='jabber:x:data' type='result'>
<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
<field var='ip_version'><value>ipv4</value><value>ipv6</value></field>
<field var='os'><value>Mac</value></field>
<field var='os_version'><value>10.5.1</value></field><field var='software'><value>Psi</value></field>
<field var='software_version'><value>0.11</value></field></x></query>"""


@pytest.mark.parametrize(
    ("query", "ver"),
    [(SIMPLE, "QgayPKawpkPSDYmwT/WM94uAlu0="), (COMPLEX, "q07IKJEyjvHSyhy//CH0CxmKi8w=")],
)
def test_the_capability_hash_is_that_of_the_standard(query: str, ver: str) -> None:
    assert verification_string(fromstring(query)) == ver


def test_the_recorded_client_tells_the_features_its_hash_announces() -> None:
    query = recorded("disco-info-result.xml", "focus")[0]
    caps = parse_room_presence(recorded("0053-focus-from-server-presence.xml")).caps
    cache = FeatureCache()
    cache.put(caps, query)
    assert cache.get(caps) == features_of(query)


def test_nobody_gives_the_hash_of_others_a_meaning() -> None:
    caps = Caps("sha-1", "https://jitsi.org/jitsi-meet", "dtzK/3xhISaXUMVg59IpXxdvKyQ=")
    cache = FeatureCache()
    cache.put(caps, fromstring(SIMPLE))
    cache.put(replace(caps, hash="md5"), recorded("disco-info-result.xml", "focus")[0])
    cache.put(None, fromstring(SIMPLE))
    assert cache.get(caps) is None and cache.get(None) is None


def test_the_cache_is_bounded_and_keeps_what_is_used() -> None:
    cache = FeatureCache()
    first = None
    for n in range(MAX_CACHED + 1):
        query = fromstring(SIMPLE.replace("Exodus", f"Exodus{n}"))
        caps = Caps("sha-1", "x", verification_string(query))
        first = first or caps
        cache.put(caps, query)
        cache.get(first)
    assert cache.get(first) is not None


@given(elements())
def test_any_element_has_some_features_and_a_hash(query: Element) -> None:
    features_of(query)
    verification_string(query)


@given(stanzas())
def test_any_presence_can_be_read(stanza: Element) -> None:
    parse_room_presence(stanza)


def test_recorded_presences_are_read_as_they_are_meant() -> None:
    joined = parse_room_presence(recorded("0053-focus-from-server-presence.xml"))
    assert (joined.room, joined.nick, joined.kind) == (ROOM, FIRST, "available")
    assert joined.real_jid == "uxd_friotixvvn0r4w5hrp_3@meet.lab/c-7GaoesK2kY"
    assert (joined.affiliation, joined.role, joined.moderator) == ("none", "participant", False)
    assert joined.stats_id == "Golda-nH6"
    assert parse_room_presence(recorded("0057-focus-from-server-presence.xml")).moderator
    assert parse_room_presence(recorded("presence-left.xml", "focus")).kind == "unavailable"
    own = parse_room_presence(recorded("0048-focus-from-server-presence.xml"))
    assert own.codes == {110}


def test_what_a_participant_says_of_its_rights_counts_for_nothing() -> None:
    stanza = recorded("0053-focus-from-server-presence.xml")
    claim = stanza.makeelement(f"{{{MUC_USER}}}x", {})
    claim.append(claim.makeelement(f"{{{MUC_USER}}}item", {"affiliation": "owner", "role": "moderator"}))
    claim.append(claim.makeelement(f"{{{MUC_USER}}}status", {"code": "110"}))
    stanza.insert(0, claim)
    read = parse_room_presence(stanza)
    assert not read.moderator and read.codes == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "room",
        f"@{MUC}",
        MUC,
        f"room@{MUC}/nick",
        f"{'x' * 2000}@{MUC}",
        f"a b@{MUC}",
        f"<b>@{MUC}",
        f"a\u202eb@{MUC}",
        f"a\x01@{MUC}",
    ],
)
def test_what_is_no_room_is_malformed(text: str) -> None:
    with pytest.raises(StanzaError) as caught:
        room_address(text, MUC)
    assert caught.value.condition == "jid-malformed"


@pytest.mark.parametrize("text", ["room@other.example", "user@localhost", f"room@sub.{MUC}"])
def test_rooms_are_on_our_conference_service_only(text: str) -> None:
    with pytest.raises(StanzaError) as caught:
        room_address(text, MUC)
    assert caught.value.condition == "not-allowed"


def test_a_room_has_one_name_however_it_is_written() -> None:
    assert room_address(f"ROOM@{MUC.upper()}", MUC) == f"room@{MUC}"


@given(st.text(max_size=50))
def test_any_text_is_a_room_or_refused(text: str) -> None:
    with contextlib.suppress(StanzaError):
        assert room_address(text, MUC).endswith(f"@{MUC}")


def admission(limit: int) -> Admission:
    settings = parse("", Path("/nowhere/carillon.toml"))
    return Admission(replace(settings, focus=replace(settings.focus, max_rooms_per_user=limit)))


def test_a_user_has_only_so_many_rooms_at_a_time() -> None:
    rooms = admission(2)
    rooms.start("user@localhost/a", "1")
    rooms.start("user@localhost/b", "2")
    with pytest.raises(StanzaError) as caught:
        rooms.start("user@localhost/c", "3")
    assert caught.value.condition == "policy-violation"
    rooms.start("other@localhost/a", "3")
    rooms.end("1")
    rooms.end("unknown")
    rooms.start("user@localhost/c", "4")


def test_guests_count_by_connection() -> None:
    rooms = admission(1)
    rooms.start("guest@guest.localhost/a", "1")
    rooms.start("guest@guest.localhost/b", "2")
    with pytest.raises(StanzaError):
        rooms.start("guest@guest.localhost/a", "3")


def test_nobody_asks_from_inside_a_room() -> None:
    with pytest.raises(StanzaError) as caught:
        admission(1).room(f"room@{MUC}/nick", f"room@{MUC}")
    assert caught.value.condition == "not-allowed"


def test_restarts_are_counted_over_a_sliding_minute() -> None:
    limit = RestartLimit(5.0, 3)
    assert [limit.allow(now) for now in (0, 3, 6, 12, 18, 59, 60, 61)] == [
        True, False, True, True, False, False, True, False,
    ]  # fmt: skip


def test_large_rooms_collect_changes_for_longer() -> None:
    assert [signalling_delay_s(size) for size in (2, 19, 20, 50, 200)] == [0.0, 0.0, 0.1, 0.5, 1.0]
