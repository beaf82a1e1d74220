"""ICE restarted in place, for example because the participant's address has changed.

The participant asks by session-info; the bridge makes new credentials, which the participant is told by a
transport-info with a generation; it answers with credentials of its own, tagged with the same generation.
DTLS and media go on meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from component.focus.metrics import ICE_RESTARTS, ICE_RESTARTS_FAILED, ICE_RESTARTS_RELAYED
from component.focus.participant import Participant
from component.focus.session import Session
from component.focus.sessions import Sessions
from jingle.content import Action, Content
from jingle.element import Jingle
from jingle.ice import IceTransport


def begin(sessions: Sessions, participant: Participant, session: Session) -> None:
    """The participant asks for it."""
    ICE_RESTARTS.inc()
    session.restarting = True
    again(sessions, participant, session)


def again(sessions: Sessions, participant: Participant, session: Session) -> None:
    """Ask the bridge for it: the participant waits for what follows."""
    sessions.bridge.restart_ice(session, partial(_answered, sessions, participant, session))


def _answered(
    sessions: Sessions, participant: Participant, session: Session, ice: IceTransport | None, now: float
) -> None:
    if participant.session is not session:
        return
    if ice is None or ice.ice_generation is None:
        # The bridge has no connection with the participant that could be kept.
        session.restarting = False
        ICE_RESTARTS_FAILED.inc()
        if participant.may_restart(now):
            sessions.restart(participant, now)
    elif ice.ice_generation > session.ice_generation:
        session.ice_generation = ice.ice_generation
        ICE_RESTARTS_RELAYED.inc()
        told = replace(ice, web_sockets=())
        content = Content(name=session.media[0].type, transport=told)
        sessions.tell(participant, Jingle(Action.TRANSPORT_INFO, session.sid, contents=(content,)))


def complete(sessions: Sessions, session: Session, transport: IceTransport) -> None:
    """A transport-info of the participant: take its credentials if they answer the newest restart."""
    if not session.ice_generation or transport.ice_generation != session.ice_generation:
        return
    if session.transport is not None and transport.ufrag and transport.pwd:
        session.restarting = False
        fresh = replace(session.transport, ufrag=transport.ufrag, pwd=transport.pwd)
        sessions.transport_changed(session, fresh)
