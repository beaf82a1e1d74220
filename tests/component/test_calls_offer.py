"""Offers of real clients, judged and answered."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import tostring

import pytest

from component.calls.answer import session_accept
from component.calls.offer import OfferRefused, judge
from jingle.content import Content, Group
from jingle.element import Jingle, build_jingle, parse_jingle
from jingle.ice import Fingerprint, IceTransport
from jingle.rtp import PayloadType, RtpDescription
from tests.component.call_under_test import DINO, GAJIM, STANZA_JS, downlink

BOTH = {"audio": downlink("audio"), "video": downlink("video")}


def test_a_browser_offers_one_bundle() -> None:
    offer = judge(STANZA_JS)
    assert offer.bundled and not offer.declined
    assert [(one.name, one.kind, [pt.id for pt in one.media.payload_types]) for one in offer.contents] == [
        ("0", "audio", [111]),
        ("1", "video", [96, 97]),
    ]
    assert {fb.type for fb in offer.contents[1].media.payload_types[0].feedback} >= {"nack", "ccm"}


def test_dino_offers_a_transport_for_each_content_under_its_own_numbers() -> None:
    offer = judge(DINO)
    assert not offer.bundled
    assert [[pt.id for pt in one.media.payload_types] for one in offer.contents] == [[111], [98]]
    assert offer.contents[0].transport.ufrag != offer.contents[1].transport.ufrag
    assert all(not one.transport.candidates for one in offer.contents)


def test_no_fingerprint_is_no_call() -> None:
    with pytest.raises(OfferRefused) as refused:
        judge(GAJIM)
    assert refused.value.reason.condition == "security-error"
    assert "encrypted" in refused.value.reason.text


def changed(**changes: object) -> Jingle:
    """The browser's offer, its audio alone and changed."""
    content = STANZA_JS.contents[0]
    assert content.description is not None and content.transport is not None
    parts = {"description": content.description, "transport": content.transport}
    for name, value in changes.items():
        part, _, field = name.partition("__")
        parts[part] = replace(parts[part], **{field: value}) if field else value  # type: ignore[type-var]
    return replace(STANZA_JS, contents=(replace(content, **parts),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("jingle", "condition"),
    [
        (replace(STANZA_JS, contents=()), "failed-application"),
        (changed(description=None), "unsupported-applications"),
        (changed(description__media="application"), "unsupported-applications"),
        (changed(transport=None), "unsupported-transports"),
        (changed(transport__ufrag=""), "failed-transport"),
        (changed(transport__fingerprints=(Fingerprint("sha-1", "AB"),)), "security-error"),
        (changed(description__rtcp_mux=False), "failed-application"),
        (changed(description__payload_types=(PayloadType(0, "PCMU", 8000),)), "failed-application"),
    ],
)
def test_what_the_bridge_cannot_carry_is_refused_in_words(jingle: Jingle, condition: str) -> None:
    with pytest.raises(OfferRefused) as refused:
        judge(jingle)
    assert refused.value.reason.condition == condition
    assert refused.value.reason.text.endswith(".")


@pytest.mark.parametrize(
    ("offered", "answered", "told"),
    [
        ("actpass", "active", "passive"),
        ("", "active", "passive"),
        ("passive", "active", "passive"),
        ("active", "passive", "active"),
    ],
)
def test_the_caller_may_choose_its_dtls_role_and_else_is_the_server(
    offered: str, answered: str, told: str
) -> None:
    """`told` is the caller's role, as the bridge hears of it."""
    offer = judge(changed(transport__fingerprints=(Fingerprint("sha-256", "AB", offered),)))
    assert [one.setup for one in offer.contents[0].transport.fingerprints] == [told]
    transport = session_accept(offer, BOTH, "sid", "echo@calls/bridge").contents[0].transport
    assert transport is not None
    assert [one.setup for one in transport.fingerprints] == [answered]


def test_one_insecure_content_spoils_all() -> None:
    bare = replace(STANZA_JS.contents[1], transport=IceTransport("u", "p"))
    with pytest.raises(OfferRefused, match="security-error"):
        judge(replace(STANZA_JS, contents=(STANZA_JS.contents[0], bare)))


def test_a_second_video_is_kept_idle_in_the_bundle() -> None:
    screen = replace(STANZA_JS.contents[1], name="2")
    groups = (Group("BUNDLE", ("0", "1", "2")),)
    offer = judge(replace(STANZA_JS, contents=(*STANZA_JS.contents, screen), groups=groups))
    assert [one.name for one in offer.declined] == ["2"]
    accept = session_accept(offer, BOTH, "sid", "echo@calls/bridge")
    assert [(one.name, one.senders) for one in accept.contents] == [
        ("0", "both"),
        ("1", "both"),
        ("2", "none"),
    ]
    assert accept.groups == groups


def test_a_bundle_that_leaves_a_content_out_is_none() -> None:
    assert not judge(replace(STANZA_JS, groups=(Group("BUNDLE", ("0",)),))).bundled


@pytest.mark.parametrize("initiate", [STANZA_JS, DINO])
def test_the_answer_is_the_bridges_transport_under_the_callers_names(initiate: Jingle) -> None:
    offer = judge(initiate)
    accept = session_accept(offer, BOTH, initiate.sid, "echo@calls/bridge")
    assert parse_jingle(build_jingle(accept)) == accept
    for answered, offered in zip(accept.contents, offer.contents, strict=True):
        assert (answered.name, answered.creator) == (offered.name, "initiator")
        assert answered.transport is not None and answered.description is not None
        assert [one.setup for one in answered.transport.fingerprints] == ["active"]
        assert answered.transport.candidates and not answered.transport.web_sockets
        assert answered.description.payload_types == offered.media.payload_types
        assert answered.description.rtcp_mux
        rtx = len(offered.media.payload_types) > 1
        assert [one.ssrc for one in answered.description.sources] == (
            [7] if offered.kind == "audio" else [8, 9] if rtx else [8]
        )
    assert bool(accept.groups) == offer.bundled


def test_sdes_keys_are_never_repeated() -> None:
    offer = judge(DINO)
    text = tostring(build_jingle(session_accept(offer, BOTH, DINO.sid, "x@y/z"))).decode()
    assert "crypto" not in text and "inline" not in text
    assert "inline" not in repr(offer)


def test_a_content_of_another_kind_is_declined_beside_a_good_one() -> None:
    strange = Content("data", foreign=("urn:xmpp:jingle:apps:file-transfer:5",))
    offer = judge(replace(STANZA_JS, contents=(STANZA_JS.contents[0], strange), groups=()))
    assert [one.name for one in offer.declined] == ["data"]
    assert RtpDescription("audio").media == offer.contents[0].kind
