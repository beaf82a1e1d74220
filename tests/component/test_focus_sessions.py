"""Sessions: who is invited when, with what offer; sources; what participants may ask of their sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from component.focus.features import DISCO_INFO
from component.focus.offer import offered_media
from component.focus.session import Session, SessionEvent, SessionState, WrongSessionState
from component.link import LinkDown
from component.stanza_error import StanzaError
from jingle.colibri2 import parse_modify_xml
from jingle.content import Action, Content, Reason
from jingle.element import Jingle
from jingle.ice import Candidate
from jingle.jitsi.session import BridgeSession
from jingle.rtp import RtpDescription
from jingle.sources import Source, SsrcGroup
from tests.component.focus_room import (
    FIRST,
    OWN_JID,
    RECORDED_ACCEPT,
    SECOND,
    THIRD,
    FocusRoom,
    bridge_transport,
    presence,
    recorded,
    recorded_jingle,
)


def source_add(room: FocusRoom, nick: str, *sources: Source, groups: tuple[SsrcGroup, ...] = ()) -> Jingle:
    description = RtpDescription("video", sources=sources, groups=groups)
    return Jingle(Action.SOURCE_ADD, room.sid(nick), contents=(Content("video", description=description),))


def refusal(error: StanzaError | None) -> str:
    assert error is not None
    return error.condition


# Inviting


def test_one_participant_alone_is_not_invited() -> None:
    room = FocusRoom().open().join(FIRST)
    assert room.requests == [] and room.invited() == []


def test_the_second_participant_gets_both_invited() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    assert room.invited() == [FIRST, SECOND]
    first, second = room.requests
    assert first.create and first.name == "stag24687@conference.meet.lab" and not second.create
    assert first.meeting_id == second.meeting_id
    (endpoint,) = first.endpoints
    assert (endpoint.id, endpoint.create, endpoint.stats_id) == (FIRST, True, "Golda-nH6")
    assert endpoint.capabilities == ("source-names",)
    assert endpoint.transport is not None and endpoint.transport.ice_controlling
    assert endpoint.sources == ()
    assert room.properties()["bridge-count"] == "1"


def test_the_offer_is_what_three_generations_of_clients_take() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    (offer,) = room.told(FIRST)
    assert offer.initiator == OWN_JID
    assert offer.groups[0].semantics == "BUNDLE" and offer.groups[0].contents == ("audio", "video")
    assert offer.bridge_session is not None and offer.bridge_session.id == room.bridge_session(FIRST)
    audio, video = offer.contents
    assert (audio.creator, audio.senders) == ("initiator", "both")
    for content in (audio, video):
        assert content.transport == bridge_transport(FIRST)
        assert content.description is not None and content.description.rtcp_mux
        assert all("mid" not in extension.uri for extension in content.description.header_extensions)
    assert audio.description is not None and video.description is not None
    assert [(one.id, one.name) for one in audio.description.payload_types] == [(111, "opus")]
    assert [(one.id, one.name) for one in video.description.payload_types] == [(100, "VP8"), (96, "rtx")]


def test_the_offer_leaves_out_what_a_participant_cannot_do() -> None:
    room = FocusRoom()
    room.disco = recorded("disco-info-result.xml", "focus")
    query = room.disco[0]
    for feature in list(query):
        if feature.get("var") in {"urn:ietf:rfc:4588", "http://jitsi.org/tcc"}:
            query.remove(feature)
    room.open().join("a", "b")
    (offer,) = room.told("a")
    descriptions = [content.description for content in offer.contents]
    assert [one.name for d in descriptions if d for one in d.payload_types] == ["opus", "VP8"]
    assert [one.id for d in descriptions if d for one in d.header_extensions] == [1]
    assert not any(
        fb.type == "transport-cc" for d in descriptions if d for p in d.payload_types for fb in p.feedback
    )


def test_capabilities_known_by_their_hash_are_not_asked_for_again() -> None:
    room = FocusRoom().open().join(FIRST, SECOND, THIRD)
    asked = [iq for iq in room.iqs if iq[0].tag == f"{{{DISCO_INFO}}}query"]
    assert len(asked) == 1
    assert asked[0][0].get("node") == "https://jitsi.org/jitsi-meet#dtzK/3xhISaXUMVg59IpXxdvKyQ="


@pytest.mark.parametrize("silence", [None, StanzaError("service-unavailable")])
def test_who_does_not_tell_its_features_is_taken_for_a_browser(silence: StanzaError | None) -> None:
    room = FocusRoom()
    room.disco = silence
    room.open().join("a", "b")
    assert room.invited() == ["a", "b"]
    assert [content.name for content in room.told("a")[0].contents] == ["audio", "video"]


def test_who_can_do_neither_audio_nor_video_is_not_invited() -> None:
    room = FocusRoom()
    room.disco = recorded("disco-info-result.xml", "focus")
    room.disco[0].clear()
    room.open().join("a", "b")
    assert room.requests == []


def test_a_client_that_refuses_the_offer_is_left_alone() -> None:
    room = FocusRoom()
    room.session_answer = StanzaError("service-unavailable")
    room.open().join("a", "b")
    assert room.invited() == ["a", "b"]
    assert room.requests[-1].expire
    room.join("c")
    assert room.invited() == ["a", "b", "c"]


def test_the_slow_answer_of_the_bridge_holds_nobody_up() -> None:
    room = FocusRoom()
    room.bridge = lambda request: None
    room.open().join(FIRST, SECOND)
    room.request(5)
    assert room.answers[5] is None
    assert len(room.unanswered) == 2


# session-accept and sources


def test_the_recorded_accept_tells_the_bridge_what_jicofo_told_it() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    room.forget()
    room.accept(SECOND)
    ours = room.endpoints()[0]
    theirs = parse_modify_xml(recorded("0118-focus-to-server-colibri2-modify.xml")[0]).endpoints[0]
    assert ours.id == theirs.id and ours.transport == theirs.transport
    assert ours.sources is not None and theirs.sources is not None
    assert [(one.id, one.type, one.groups) for one in ours.sources] == [
        (one.id, one.type, one.groups) for one in theirs.sources
    ]
    assert [s.ssrc for one in ours.sources for s in one.sources] == [
        s.ssrc for one in theirs.sources for s in one.sources
    ]


def test_source_add_waits_for_the_session_accept() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    room.accept(SECOND)
    assert room.told(FIRST, Action.SOURCE_ADD) == []
    room.accept(FIRST)
    (told,) = room.told(FIRST, Action.SOURCE_ADD)
    recorded_one = recorded_jingle("0128-focus-to-server-jingle-source-add.xml")
    assert told.json_sources == recorded_one.json_sources
    (told,) = room.told(SECOND, Action.SOURCE_ADD)
    assert told.json_sources == recorded_jingle("0132-focus-to-server-jingle-source-add.xml").json_sources


def test_a_late_joiner_is_offered_the_sources_of_the_others() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    room.join(THIRD)
    (offer,) = room.told(THIRD)
    assert offer.json_sources is not None and list(offer.json_sources) == [FIRST, SECOND]
    room.accept(THIRD)
    assert room.told(THIRD, Action.SOURCE_ADD) == []
    for nick, name in ((FIRST, "0191"), (SECOND, "0193")):
        (told,) = room.told(nick, Action.SOURCE_ADD)
        assert (
            told.json_sources == recorded_jingle(f"{name}-focus-to-server-jingle-source-add.xml").json_sources
        )


def test_clients_without_the_json_feature_get_xml_with_owners() -> None:
    room = FocusRoom()
    room.disco = None
    room.open().join("a", "b")
    for nick, name in (("a", FIRST), ("b", SECOND)):
        accept = recorded_jingle(RECORDED_ACCEPT[name])
        contents = tuple(without_names(content) for content in accept.contents)
        assert room.jingle(nick, replace(accept, sid=room.sid(nick), contents=contents)) is None
    (told,) = room.told("a", Action.SOURCE_ADD)
    assert told.json_sources is None
    sources = [
        source for content in told.contents if content.description for source in content.description.sources
    ]
    assert {source.owner for source in sources} == {"b"}
    assert {source.name for source in sources} == {"b-a0", "b-v0"}
    assert all(source.msid for source in sources)
    assert [source.ssrc for source in sources] == [2806674777, 2789633784, 381450916]


def without_names(content: Content) -> Content:
    description = content.description
    assert description is not None
    nameless = tuple(replace(source, name="") for source in description.sources)
    return replace(content, description=replace(description, sources=nameless))


def test_what_happens_at_once_is_told_at_once() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    for ssrc in (11, 12):
        add = source_add(room, FIRST, Source(ssrc, name=f"{FIRST}-v{ssrc}", msid=f"s{ssrc} t{ssrc}"))
        effects, error = room.conference.jingle(FIRST, add, room.now)
        assert error is None
        room.run(effects)
    room.wait(0)
    (told,) = room.told(SECOND, Action.SOURCE_ADD)
    assert told.json_sources is not None
    assert [source.ssrc for source in told.json_sources[FIRST][0].sources] == [11, 12]
    assert [len(endpoint.sources or ()) for endpoint in room.endpoints()] == [3, 4]


def test_a_removed_source_is_removed_for_the_others_and_at_the_bridge() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    add = source_add(room, FIRST, Source(11, name=f"{FIRST}-v1", msid="s t"))
    assert room.jingle(FIRST, add) is None
    assert room.jingle(FIRST, replace(add, action=Action.SOURCE_REMOVE)) is None
    (told,) = room.told(SECOND, Action.SOURCE_REMOVE)
    assert told.json_sources is not None and told.json_sources[FIRST][0].sources[0].ssrc == 11
    assert [one.id for one in room.endpoints()[-1].sources or ()] == [f"{FIRST}-a0", f"{FIRST}-v0"]


@pytest.mark.parametrize(
    "source",
    [
        Source(1891215261, name=f"{SECOND}-v9", msid="x y"),
        Source(77, name=f"{SECOND}-v9", msid="8f26c11d-video-0-1 a93ff6c1-3e3f-4659-8ea9-e1ab413ed7ec-1"),
        Source(77, name=f"{FIRST}-v9", msid="x y"),
        Source(0, name=f"{SECOND}-v9", msid="x y"),
    ],
    ids=["ssrc", "msid", "name", "zero"],
)
def test_nobody_claims_what_belongs_to_another(source: Source) -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    assert refusal(room.jingle(SECOND, source_add(room, SECOND, source))) == "bad-request"
    assert room.told(FIRST) == [] and room.requests == []


def test_too_many_sources_and_dangling_groups_change_nothing() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    many = [Source(1000 + n, name=f"{FIRST}-v{n + 1}", msid=f"s{n} t{n}") for n in range(20)]
    assert refusal(room.jingle(FIRST, source_add(room, FIRST, *many))) == "bad-request"
    dangling = source_add(room, FIRST, many[0], groups=(SsrcGroup("FID", (1000, 4711)),))
    assert refusal(room.jingle(FIRST, dangling)) == "bad-request"
    assert room.told(SECOND) == [] and room.requests == []


def test_an_accept_with_bad_sources_leaves_the_session_waiting() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    room.accept(FIRST)
    stolen = replace(recorded_jingle(RECORDED_ACCEPT[FIRST]), sid=room.sid(SECOND))
    assert refusal(room.jingle(SECOND, stolen)) == "bad-request"
    room.accept(SECOND)


def test_candidates_of_a_participant_never_reach_the_bridge() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    room.forget()
    accept = recorded_jingle(RECORDED_ACCEPT[FIRST])
    transport = accept.contents[0].transport
    assert transport is not None
    lan = (Candidate("1", 1, "udp", 1, "10.0.0.1", 9, "host"),)
    contents = (
        replace(accept.contents[0], transport=replace(transport, candidates=lan)),
        *accept.contents[1:],
    )
    assert room.jingle(FIRST, replace(accept, sid=room.sid(FIRST), contents=contents)) is None
    sent = room.endpoints()[0].transport
    assert sent is not None and sent.ice is not None and sent.ice.candidates == ()


def test_an_accept_needs_a_transport() -> None:
    room = FocusRoom().open().join(FIRST, SECOND)
    accept = recorded_jingle(RECORDED_ACCEPT[FIRST])
    contents = tuple(replace(content, transport=None) for content in accept.contents)
    assert (
        refusal(room.jingle(FIRST, replace(accept, sid=room.sid(FIRST), contents=contents))) == "bad-request"
    )


def test_a_second_accept_is_out_of_order() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    accept = replace(recorded_jingle(RECORDED_ACCEPT[FIRST]), sid=room.sid(FIRST))
    assert refusal(room.jingle(FIRST, accept)) == "unexpected-request"


def test_a_visitor_may_listen_but_not_send() -> None:
    room = FocusRoom().open().join(FIRST)
    room.receive(presence("v", role="visitor"))
    accept = replace(recorded_jingle(RECORDED_ACCEPT[SECOND]), sid=room.sid("v"))
    assert refusal(room.jingle("v", accept)) == "forbidden"


def test_an_unknown_session_and_an_unknown_participant_are_not_found() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    info = Jingle(Action.TRANSPORT_INFO, "other")
    error = room.jingle(FIRST, info)
    assert refusal(error) == "item-not-found"
    assert error is not None and error.app is not None and error.app.tag.endswith("unknown-session")
    assert refusal(room.jingle("nobody", info)) == "item-not-found"
    accept = replace(recorded_jingle(RECORDED_ACCEPT[FIRST]), sid="replaced")
    assert refusal(room.jingle(FIRST, accept)) == "gone"


def test_transport_info_is_accepted_and_needs_a_transport() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    content = Content("0", transport=bridge_transport(FIRST))
    assert room.jingle(FIRST, Jingle(Action.TRANSPORT_INFO, room.sid(FIRST), contents=(content,))) is None
    assert refusal(room.jingle(FIRST, Jingle(Action.TRANSPORT_INFO, room.sid(FIRST)))) == "bad-request"
    assert room.requests == []


def test_actions_that_are_not_for_the_focus_are_refused() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    assert refusal(room.jingle(FIRST, Jingle(Action.CONTENT_ACCEPT, "x"))) == "feature-not-implemented"


# Ends


def test_leaving_is_told_by_presence_only() -> None:
    room = FocusRoom().meeting(FIRST, SECOND, THIRD)
    room.leave(SECOND)
    room.wait(1)
    assert room.told(FIRST) == [] and room.told(THIRD) == []
    assert [(one.id, one.expire) for one in room.endpoints()] == [(SECOND, True)]


def test_the_sources_of_one_who_left_are_free_again() -> None:
    room = FocusRoom().meeting(FIRST, SECOND, THIRD)
    room.leave(SECOND)
    room.join(SECOND).accept(SECOND)
    (told,) = room.told(FIRST, Action.SOURCE_ADD)
    assert told.json_sources is not None and list(told.json_sources) == [SECOND]


def test_the_last_session_ends_the_conference_at_the_bridge() -> None:
    room = FocusRoom(single_participant_timeout_s=20.0).meeting(FIRST, SECOND)
    room.leave(SECOND)
    room.forget()
    room.wait(19)
    assert room.told(FIRST) == []
    room.wait(1)
    (told,) = room.told(FIRST)
    assert (told.action, told.reason) == (Action.SESSION_TERMINATE, Reason("expired", "Idle session timeout"))
    assert room.requests[-1].expire
    assert room.properties()["bridge-count"] == "0"


def test_somebody_who_joins_in_time_keeps_the_session_of_the_other() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    room.leave(SECOND)
    room.wait(10)
    room.join(THIRD)
    room.forget()
    room.wait(15)
    assert room.told(FIRST) == []


def test_after_the_idle_end_the_next_joiner_gets_both_invited_into_a_new_conference() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    before = room.sid(FIRST)
    room.leave(SECOND)
    room.wait(20)
    room.forget()
    room.join(THIRD)
    assert room.invited() == [FIRST, THIRD]
    assert room.requests[0].create and room.sid(FIRST) != before


def test_who_ends_its_session_keeps_quiet_for_the_others_and_is_not_invited_again() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    assert (
        room.jingle(SECOND, Jingle(Action.SESSION_TERMINATE, room.sid(SECOND), reason=Reason("gone"))) is None
    )
    (told,) = room.told(FIRST)
    assert told.action is Action.SOURCE_REMOVE
    room.join(THIRD)
    assert room.invited() == [THIRD]


# An outage of the link


def test_an_offer_that_went_nowhere_is_made_again_after_the_outage() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    room.session_answer = LinkDown("lost")
    room.join(THIRD)
    lost = room.sid(THIRD)
    room.session_answer = None
    room.run(room.conference.link_restored(room.now))
    room.join(FIRST, SECOND, THIRD).open()
    assert room.invited() == [THIRD, THIRD] and room.sid(THIRD) != lost


def test_changes_of_sources_that_went_nowhere_are_told_after_the_outage() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    stays = Source(12, name=f"{FIRST}-v2", msid="s2 t2")
    goes = source_add(room, FIRST, Source(11, name=f"{FIRST}-v1", msid="s t"))
    assert room.jingle(FIRST, goes) is None
    room.session_answer = LinkDown("lost")
    assert room.jingle(FIRST, source_add(room, FIRST, stays)) is None
    assert room.jingle(FIRST, replace(goes, action=Action.SOURCE_REMOVE)) is None
    room.session_answer = None
    room.forget()
    room.run(room.conference.link_restored(room.now))
    room.join(FIRST, SECOND).open()
    room.wait(1)
    removed, added = room.told(SECOND)
    assert (removed.action, added.action) == (Action.SOURCE_REMOVE, Action.SOURCE_ADD)
    assert removed.json_sources is not None and added.json_sources is not None
    assert [source.ssrc for source in removed.json_sources[FIRST][0].sources] == [11]
    assert [source.ssrc for source in added.json_sources[FIRST][0].sources] == [12]


# Restarts


def restart(room: FocusRoom, nick: str, bridge_session: str | None = None) -> Jingle:
    session = BridgeSession(bridge_session or room.bridge_session(nick), restart=True)
    reason = Reason("connectivity-error", "ICE FAILED")
    return Jingle(Action.SESSION_TERMINATE, room.sid(nick), reason=reason, bridge_session=session)


def test_a_restart_gives_a_new_session_with_a_new_sid() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    before = room.sid(FIRST)
    assert room.jingle(FIRST, restart(room, FIRST)) is None
    assert room.invited() == [FIRST] and room.sid(FIRST) != before
    assert [(one.id, one.expire, one.create) for one in room.endpoints()] == [
        (FIRST, True, False),
        (FIRST, False, True),
    ]
    room.accept(FIRST)
    actions = [told.action for told in room.told(SECOND)]
    assert actions == [Action.SOURCE_REMOVE, Action.SOURCE_ADD]


def test_restarts_are_limited_and_one_too_many_ends_the_session() -> None:
    room = FocusRoom(restart_interval_s=5.0, restarts_per_minute=5).meeting(FIRST, SECOND)
    for _ in range(5):
        assert room.jingle(FIRST, restart(room, FIRST)) is None
        room.wait(6)
    assert refusal(room.jingle(FIRST, restart(room, FIRST))) == "resource-constraint"
    assert room.conference.participants[FIRST].session is None


def test_two_restarts_within_five_seconds_are_one_too_many() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    assert room.jingle(FIRST, restart(room, FIRST)) is None
    room.wait(4)
    assert refusal(room.jingle(FIRST, restart(room, FIRST))) == "resource-constraint"


def test_a_restart_of_an_old_bridge_session_is_not_found() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    assert refusal(room.jingle(FIRST, restart(room, FIRST, "old"))) == "item-not-found"
    assert room.invited() == []


def test_a_report_that_ice_failed_moves_the_participant_to_a_new_session() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    session = BridgeSession(room.bridge_session(FIRST))
    info = Jingle(Action.SESSION_INFO, room.sid(FIRST), bridge_session=session, ice_state="failed")
    assert room.jingle(FIRST, info) is None
    terminate, offer = room.told(FIRST)
    assert (terminate.action, terminate.reason) == (Action.SESSION_TERMINATE, Reason("success", "moving"))
    assert offer.action is Action.SESSION_INITIATE and offer.sid != terminate.sid
    again = replace(info, sid=room.sid(FIRST), bridge_session=BridgeSession(room.bridge_session(FIRST)))
    assert refusal(room.jingle(FIRST, again)) == "resource-constraint"


def test_other_session_infos_are_ignored() -> None:
    room = FocusRoom().meeting(FIRST, SECOND)
    assert room.jingle(FIRST, Jingle(Action.SESSION_INFO, room.sid(FIRST), ice_state="connected")) is None
    assert room.requests == []


def test_a_session_goes_only_the_ways_of_its_table() -> None:
    session = Session("a", "sid", "bridge session", media=offered_media(frozenset()))
    session.move(SessionEvent.ALLOCATE)
    with pytest.raises(WrongSessionState, match="accepted while allocating"):
        session.move(SessionEvent.ACCEPTED)
    assert session.state is SessionState.ALLOCATING
