"""The sessions of one room: who is invited when, and what becomes of their sessions.

A session begins with an endpoint at the bridge, then session-initiate; the participant's session-accept makes
it active. Whatever ends it ends the endpoint too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol
from xml.etree.ElementTree import Element

from component.focus import single_stream
from component.focus.bridge_conference import BridgeConference
from component.focus.bridge_interface import Wanted
from component.focus.bridge_pool import BridgePool
from component.focus.effects import PeerAnswer
from component.focus.metrics import INVITE_SECONDS, PARTICIPANTS_MOVED
from component.focus.offer import bridge_sources, offered_contents, offered_media
from component.focus.outbox import Outbox
from component.focus.participant import Participant
from component.focus.session import Session, SessionEvent, SessionState
from component.focus.telling import Telling, TellingRoom
from component.link import LinkDown
from component.stanza import iq
from component.stanza_error import StanzaError
from jingle.colibri2 import ConferenceModified, Endpoint, Media
from jingle.content import Action, Content, Group, Reason
from jingle.element import Jingle, build_jingle
from jingle.ice import IceTransport
from jingle.jitsi.session import BridgeSession
from jingle.source_map import SourceMap
from jingle.source_rules import colibri_sources

MOVING = Reason("success", "moving")
FAILED = Reason("general-error", "jingle session failed")
UNHEARD = Reason("connectivity-error", "nothing was heard of the caller any more")
IDLE = Reason("expired", "Idle session timeout")
BRIDGE_OWNER = "jvb"
"""Owner of the SSRCs with which the bridge itself sends RTCP."""


class Room(TellingRoom, Protocol):
    """The room, as its sessions see it."""

    jid: str
    own_jid: str

    def may_invite(self, participant: Participant) -> bool:
        """Whether the room's state and size allow to invite this participant now."""

    def show(self) -> None:
        """Something that the presence of the focus shows has changed."""


class Sessions:
    """Invites participants, and implements the bridge's `BridgeListener`."""

    def __init__(
        self,
        outbox: Outbox,
        room: Room,
        sources: SourceMap,
        new_id: Callable[[], str],
        bridges: BridgePool,
    ) -> None:
        self._outbox = outbox
        self._room = room
        self._new_id = new_id
        self.sources = sources
        self.bridge = BridgeConference(outbox, room.jid, new_id, self, bridges)
        self.telling = Telling(room, sources, new_id, self._request)
        self._asked_at: dict[Session, float] = {}

    # Inviting

    def invite_waiting(self, now: float) -> None:
        """Invite all who have no session and may have one."""
        if self.bridge.available:
            for participant in list(self._room.participants.values()):
                self._invite(participant, now)

    def probe(self, now: float) -> bool:
        """Invite the first who waits, to see whether the bridge is back."""
        return any(self._invite(participant, now) for participant in list(self._room.participants.values()))

    def _invite(self, participant: Participant, now: float) -> bool:
        if participant.session or participant.declined or participant.supported is None:
            return False
        media = offered_media(participant.supported)
        if not media or not self._room.may_invite(participant):
            return False
        session = Session(participant.nick, sid=self._new_id(), bridge_session=self._new_id(), media=media)
        single_stream.prepare(session, participant.supported)
        participant.session = session
        self._asked_at[session] = now
        for part in session.parts:
            part.move(SessionEvent.ALLOCATE)
            self.bridge.allocate(part, participant.occupant.stats_id, now)
        return True

    def allocated(self, session: Session, answer: ConferenceModified, now: float) -> None:
        """The endpoint exists: send the offer."""
        endpoint = next((one for one in answer.endpoints if one.id == session.nick), Endpoint(session.nick))
        participant = self._participant(session)
        if participant is None:
            self.bridge.expire(session)
            return
        if single_stream.ice_of(endpoint) is None:
            self.decline(participant, now)
            return
        session.endpoint = endpoint
        whole = participant.session
        if whole is not None and whole.state is SessionState.ACTIVE:
            self.content_added(participant, session, session.media, now)
        elif whole is not None and all(part.endpoint is not None for part in whole.parts):
            self._offer(participant, whole, answer, now)

    def _offer(
        self, participant: Participant, session: Session, answer: ConferenceModified, now: float
    ) -> None:
        """All endpoints of the session exist: tell the participant."""
        for part in session.parts:
            part.move(SessionEvent.ALLOCATED)
        INVITE_SECONDS.set(now - self._asked_at.pop(session, now))
        receiver = participant.receiver
        view = self.telling.begin(participant)
        offer = Jingle(
            Action.SESSION_INITIATE,
            session.sid,
            initiator=self._room.own_jid,
            contents=tuple(
                content
                for part in session.parts
                if (ice := single_stream.ice_of(part.endpoint)) is not None
                for content in offered_contents(part.media, ice)
            ),
            groups=(Group("BUNDLE", tuple(media.type for media in session.media)),)
            if not session.video
            else (),
            bridge_session=BridgeSession(session.bridge_session),
        )
        own = single_stream.downlink(session) or bridge_sources(answer)
        told = {**({BRIDGE_OWNER: own} if own else {}), **view}
        self._request(
            participant,
            receiver.offer(offer, told),
            partial(self.initiated, participant, session),
            id=session.bridge_session,
        )

    def content_added(
        self, participant: Participant, part: Session, media: Iterable[Media], now: float
    ) -> None:
        """The bridge has an endpoint for a content that a caller adds: tell the caller, bridge and all."""
        for event in (SessionEvent.ALLOCATED, SessionEvent.ACCEPTED):
            if part.state is not SessionState.ACTIVE:
                part.move(event)
        ice = single_stream.ice_of(part.endpoint)
        contents = offered_contents(tuple(media), ice) if ice is not None else ()
        accept = Jingle(Action.CONTENT_ACCEPT, part.sid, contents=contents)
        self.tell(
            participant, participant.receiver.offer(accept, {BRIDGE_OWNER: single_stream.downlink(part)})
        )
        self.sources_changed(participant, now)

    def initiated(self, participant: Participant, session: Session, answer: PeerAnswer, now: float) -> None:
        """The participant has answered the session-initiate, or not."""
        session.heard = isinstance(answer, Element)
        # No answer is no reason to end anything: clients in large rooms are slow, the accept counts.
        refused = isinstance(answer, StanzaError) and answer.type != "wait"
        if refused and participant.session is session and session.state is SessionState.PENDING:
            self.decline(participant, now)

    # What the bridge is told, and reports

    def wanted(self, session: Session) -> Wanted:
        """What the bridge should know of the session's endpoint."""
        participant = self._participant(session)
        if participant is None:
            return Wanted(session.transport)
        whole = participant.session
        kinds = {media.type for media in session.media}
        owned = [
            one
            for one in self.sources.of(participant.nick)
            if whole is None or whole.video is None or one.media in kinds
        ]
        return Wanted(
            session.transport,
            colibri_sources(owned),
            participant.muted,
            single_stream.carried(session),
            single_stream.last_n(session),
        )

    def allocation_failed(self, session: Session, *, again: bool) -> None:
        """There is no endpoint: nobody was told of this session."""
        participant = self._participant(session)
        whole = participant.session if participant is not None else None
        if participant is not None and whole is not None and session is whole.video and whole.open:
            self.drop_video(participant, whole)
            refused = (Content(media.type, "responder") for media in session.media)
            self.tell(participant, Jingle(Action.CONTENT_REJECT, session.sid, contents=tuple(refused)))
            return
        for part in (whole or session).parts:
            self._close(part)
            self.bridge.expire(part)
        if participant is not None:
            participant.session = None
            participant.declined = not again

    def endpoint_lost(self, session: Session, now: float) -> None:
        """The bridge has forgotten one endpoint."""
        participant = self._participant(session)
        if participant is None:
            return
        if participant.single_stream:
            self.end(participant, now, reason=UNHEARD)
            participant.declined = True
        elif participant.may_restart(now):
            self.restart(participant, now)
        else:
            self.end(participant, now, reason=FAILED)
            participant.declined = True

    def conference_lost(self, now: float) -> None:
        """The bridge has forgotten everything: move everybody to a new conference."""
        moved = [participant for participant in self._room.participants.values() if participant.session]
        PARTICIPANTS_MOVED.inc(len(moved))
        for participant in moved:
            self.end(participant, now, reason=MOVING)
        self.invite_waiting(now)

    def bridge_changed(self) -> None:
        """The bridge went away or came back, or the conference there began or ended."""
        self._room.show()

    def bridge_back(self, now: float) -> None:
        """The bridge takes requests again."""
        self.invite_waiting(now)

    # Ending

    def end(self, participant: Participant, now: float, *, reason: Reason | None) -> None:
        """End a session; with a reason the participant is told."""
        session = participant.session
        if session is None:
            return
        if reason is not None and session.open:
            self.part(participant, session.sid, reason)
        participant.session = participant.differing = None
        if self.sources.remove_owner(participant.nick):
            self.telling.soon(now)
        for part in session.parts:
            self._close(part)
            self.bridge.expire(part)

    def part(self, participant: Participant, sid: str, reason: Reason) -> None:
        """Tell a participant that a session is over."""

        def heard(answer: PeerAnswer, now: float) -> None:
            if not isinstance(answer, LinkDown):
                participant.parted(sid)

        participant.part(sid, reason)
        self._request(participant, Jingle(Action.SESSION_TERMINATE, sid, reason=reason), heard)

    def decline(self, participant: Participant, now: float) -> None:
        """End the session of a participant that wants none; it is not told and not invited again."""
        self.end(participant, now, reason=None)
        participant.declined = True

    def leave(self, participant: Participant, now: float) -> None:
        """A participant has left the room. The others see that by its presence: no source-remove."""
        self.end(participant, now, reason=None)
        self.telling.forget(participant.nick)

    def link_restored(self, now: float) -> None:
        """What was sent last may be lost: invite again who has not accepted, tell again what went nowhere."""
        self.part_again()
        for participant in self._room.participants.values():
            if participant.session is not None and participant.session.state is SessionState.PENDING:
                self.end(participant, now, reason=MOVING)
        self.telling.soon(now)

    def part_again(self) -> None:
        """Tell of the ends of sessions that may not have been heard."""
        for participant in self._room.participants.values():
            for sid, reason in participant.parting.items():
                self.part(participant, sid, reason)

    def restart(self, participant: Participant, now: float) -> None:
        """End the session and invite again."""
        self.end(participant, now, reason=MOVING)
        self.invite_waiting(now)

    def _close(self, session: Session) -> None:
        self._asked_at.pop(session, None)
        session.move(SessionEvent.END)

    def tell(self, participant: Participant, jingle: Jingle) -> None:
        """Send a request whose answer changes nothing."""
        self._request(participant, jingle, lambda answer, now: None)

    def drop_video(self, participant: Participant, session: Session) -> None:
        """Give up the endpoint that has the video of a caller without BUNDLE."""
        part, session.video = session.video, None
        if part is not None:
            owned = [one for one in self.sources.of(participant.nick) if one.media == "video"]
            self.sources.remove(participant.nick, owned)
            self._close(part)
            self.bridge.expire(part)

    # What a participant does

    def accept(self, participant: Participant, transport: IceTransport, now: float) -> None:
        """A session-accept whose sources are in the map already."""
        session = participant.session
        if session is None:
            return
        for part in session.parts:
            part.move(SessionEvent.ACCEPTED)
        self.transport_changed(session, transport)
        if session.video is not None:
            self.bridge.changed(session.video)
        self.telling.soon(now)

    def transport_changed(self, session: Session, transport: IceTransport) -> None:
        """The participant's side of the transport is another."""
        session.transport = transport
        self.bridge.changed(session)

    def sources_changed(self, participant: Participant, now: float) -> None:
        """The participant's sources in the map are others."""
        self.muting_changed(participant)
        self.telling.soon(now)

    def muting_changed(self, participant: Participant) -> None:
        """What the bridge must not forward of the participant may be something else."""
        for part in participant.session.parts if participant.session is not None else ():
            self.bridge.changed(part)

    # Time

    def next_time(self) -> float | None:
        """When `tick` has something to do."""
        times = (self.telling.next_time(), self.bridge.next_time())
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> None:
        """Tell what was collected; look after the bridge."""
        self.telling.tick(now)
        self.bridge.tick(now)

    def _request(
        self,
        participant: Participant,
        jingle: Jingle,
        done: Callable[[PeerAnswer, float], None],
        id: str = "",
    ) -> None:
        request = iq("set", participant.jid, self._room.own_jid, build_jingle(jingle), id=id or None)
        self._outbox.ask(request, done)

    def _participant(self, session: Session) -> Participant | None:
        participant = self._room.participants.get(session.owner or session.nick)
        if participant is None or participant.session is None:
            return None
        return participant if any(part is session for part in participant.session.parts) else None
