"""What a participant asks of its session: the Jingle actions of the Jitsi family, one function each."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from component.focus import content_changes, ice_restart, single_stream
from component.focus.metrics import ICE_FAILED, RESTARTS
from component.focus.participant import Participant
from component.focus.session import Session, SessionState
from component.focus.sessions import Sessions
from component.stanza_error import StanzaError
from jingle.content import Action, Content
from jingle.element import Jingle
from jingle.errors import JingleError, out_of_order, unknown_session
from jingle.ice import IceTransport
from jingle.source_map import SourceError
from jingle.source_rules import sources_of


def stanza_error(error: JingleError) -> StanzaError:
    """A refusal of Jingle as a stanza error."""
    return StanzaError(error.condition, error.text, type=error.type, app=error.app_element())


def handle(sessions: Sessions, participant: Participant, jingle: Jingle, now: float) -> None:
    """Do what the request says. Raises StanzaError; what a refused request has done already stays done."""
    try:
        action = _ACTIONS.get(jingle.action)
        if action is None:
            raise StanzaError("feature-not-implemented", f"{jingle.action.value} is not for the focus")
        session = participant.session
        if session is None or not session.open or session.sid != jingle.sid:
            if session is not None and jingle.action is Action.SESSION_ACCEPT:
                raise StanzaError("gone", "the session has been replaced")
            raise unknown_session(jingle.sid)
        action(sessions, participant, session, jingle, now)
    except SourceError as error:
        # Clients take resource-constraint for a limit of senders: what breaks a rule is a bad request.
        raise StanzaError("bad-request", error.text) from error
    except JingleError as error:
        raise stanza_error(error) from error


def accepted_transport(contents: Iterable[Content]) -> IceTransport:
    """What the bridge needs of the participant's transport: never candidates, it learns addresses by itself.

    Raises StanzaError if there is none.
    """
    for content in contents:
        transport = content.transport
        if transport is not None and transport.ufrag and transport.pwd and transport.fingerprints:
            return IceTransport(
                transport.ufrag, transport.pwd, fingerprints=transport.fingerprints, rtcp_mux=True
            )
    raise StanzaError("bad-request", "no transport with credentials and fingerprint")


def _accept(
    sessions: Sessions, participant: Participant, session: Session, jingle: Jingle, now: float
) -> None:
    if session.state is not SessionState.PENDING:
        raise out_of_order("the session is accepted already")
    sources = sources_of(jingle.contents)
    _may_send(participant, bool(sources))
    transport = accepted_transport(jingle.contents)
    if session.video is not None:
        video = accepted_transport(single_stream.transport_of(session.video, jingle.contents))
        session.video.transport = video
    single_stream.take(session, jingle.contents)
    sessions.sources.add(participant.nick, sources)
    sessions.accept(participant, transport, now)


def _source_add(
    sessions: Sessions, participant: Participant, session: Session, jingle: Jingle, now: float
) -> None:
    sources = sources_of(jingle.contents)
    _may_send(participant, bool(sources))
    _must_be_active(session)
    if sessions.sources.add(participant.nick, sources):
        sessions.sources_changed(participant, now)


def _source_remove(
    sessions: Sessions, participant: Participant, session: Session, jingle: Jingle, now: float
) -> None:
    _must_be_active(session)
    if sessions.sources.remove(participant.nick, sources_of(jingle.contents)):
        sessions.sources_changed(participant, now)


def _terminate(
    sessions: Sessions, participant: Participant, session: Session, jingle: Jingle, now: float
) -> None:
    _must_be_current(session, jingle)
    restart = jingle.bridge_session is not None and jingle.bridge_session.restart
    if not restart:
        sessions.decline(participant, now)
        return
    RESTARTS.inc()
    if not participant.may_restart(now):
        sessions.decline(participant, now)
        raise StanzaError("resource-constraint", "too many restarts")
    sessions.end(participant, now, reason=None)
    sessions.invite_waiting(now)


def _info(sessions: Sessions, participant: Participant, session: Session, jingle: Jingle, now: float) -> None:
    if jingle.bridge_session is not None and jingle.bridge_session.ice_restart:
        _must_be_current(session, jingle)
        _must_be_active(session)
        if not participant.may_restart_ice(now):
            raise StanzaError("resource-constraint", "too many restarts of ICE")
        ice_restart.begin(sessions, participant, session)
        return
    if jingle.ice_state != "failed":
        return
    ICE_FAILED.inc()
    _must_be_current(session, jingle)
    if not participant.may_restart(now):
        raise StanzaError("resource-constraint", "too many restarts")
    sessions.restart(participant, now)


def _transport_info(
    sessions: Sessions, participant: Participant, session: Session, jingle: Jingle, now: float
) -> None:
    # Candidates are not needed (see accepted_transport), but a client may send them.
    transports = [content.transport for content in jingle.contents if content.transport]
    if not transports:
        raise StanzaError("bad-request", "no transport")
    ice_restart.complete(sessions, session, transports[0])


def _content_add(
    sessions: Sessions, participant: Participant, session: Session, jingle: Jingle, now: float
) -> None:
    _must_be_active(session)
    _may_send(participant, sources=True)
    transport = accepted_transport(jingle.contents)
    content_changes.add(
        sessions, participant, session, contents=jingle.contents, transport=transport, now=now
    )


def _content_remove(
    sessions: Sessions, participant: Participant, session: Session, jingle: Jingle, now: float
) -> None:
    _must_be_active(session)
    content_changes.remove(sessions, participant, session, jingle.contents, now)


def _content_modify(
    sessions: Sessions, participant: Participant, session: Session, jingle: Jingle, now: float
) -> None:
    _must_be_active(session)
    content_changes.modify(sessions, participant, session, jingle.contents)


def _must_be_current(session: Session, jingle: Jingle) -> None:
    if jingle.bridge_session is not None and jingle.bridge_session.id != session.bridge_session:
        raise StanzaError("item-not-found", "not the current bridge session")


def _must_be_active(session: Session) -> None:
    if session.state is not SessionState.ACTIVE:
        raise out_of_order("the session is not accepted yet")


def _may_send(participant: Participant, sources: bool) -> None:
    if sources and participant.occupant.role == "visitor":
        raise StanzaError("forbidden", "a visitor sends nothing")


_Action = Callable[[Sessions, Participant, Session, Jingle, float], None]

_ACTIONS: dict[Action, _Action] = {
    Action.SESSION_ACCEPT: _accept,
    Action.SOURCE_ADD: _source_add,
    Action.SOURCE_REMOVE: _source_remove,
    Action.SESSION_TERMINATE: _terminate,
    Action.SESSION_INFO: _info,
    Action.TRANSPORT_INFO: _transport_info,
    Action.CONTENT_ADD: _content_add,
    Action.CONTENT_REMOVE: _content_remove,
    Action.CONTENT_MODIFY: _content_modify,
}
