"""ICE restarted by the caller, in place: DTLS and media go on (XEP-0176 §5.9, RFC 8445 §9).

Clients begin it by a transport-info with new credentials, which is answered by another one, or by a
transport-replace, which is accepted. Inside a bundle there is one transport, whatever contents are named.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from component.calls.contents import Contents
from component.focus.restarts import RestartLimit
from component.stanza_error import StanzaError
from jingle.content import Action, Content
from jingle.element import Jingle
from jingle.ice import IceTransport

INTERVAL_S: Final = 2.0
PER_MINUTE: Final = 10
"""A network that changes all the time is one thing; more is somebody who plays with the bridge."""


class Restart:
    """The restarts of one call."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._limit = RestartLimit(INTERVAL_S, PER_MINUTE)
        self._asked: Jingle | None = None

    @property
    def asked(self) -> Jingle | None:
        """What is not answered yet."""
        return self._asked

    @property
    def granted(self) -> tuple[float, ...]:
        """When there were restarts, as far as that counts."""
        return self._limit.granted

    def restore(self, asked: Jingle | None, granted: Iterable[float]) -> None:
        """As it was in a process before this one."""
        self._asked = asked
        self._limit = RestartLimit(INTERVAL_S, PER_MINUTE, granted)

    def wanted(self, jingle: Jingle, *, accepted: bool, now: float) -> IceTransport | None:
        """The caller's new transport if a transport-info or transport-replace begins a restart.

        None for what carries nothing new: candidates are not needed, the bridge learns addresses by itself.
        Raises StanzaError; `accepted` says whether the session is.
        """
        transports = [content.transport for content in jingle.contents if content.transport is not None]
        if not transports:
            raise StanzaError("bad-request", "no transport")
        offered = transports[0]
        if not offered.ufrag or not offered.pwd or any(one.knows(offered) for one in self._contents):
            return None
        if not self._contents.bundled:
            raise StanzaError("feature-not-implemented", "only a bundle can restart ICE")
        if not accepted or self._asked is not None or not self._limit.allow(now):
            raise StanzaError("resource-constraint", "too early for a restart of ICE")
        known = next(iter(self._contents)).transport
        values = {one.value for one in known.fingerprints}
        if any(one.value not in values for one in offered.fingerprints):
            raise StanzaError("not-acceptable", "another certificate is another connection")
        self._asked = jingle
        return IceTransport(offered.ufrag, offered.pwd, known.fingerprints, rtcp_mux=True)

    def answer(self, sid: str, transport: IceTransport | None) -> Jingle | None:
        """What the caller is told: the bridge's side, or that a replacement is refused; None = no answer."""
        asked, self._asked = self._asked, None
        if asked is None:
            return None
        replacing = asked.action is Action.TRANSPORT_REPLACE
        if transport is None:
            return refused(asked) if replacing else None
        names: Iterable[tuple[str, str]] = (
            ((one.name, one.creator) for one in asked.contents) if replacing else self._contents.places
        )
        return Jingle(
            Action.TRANSPORT_ACCEPT if replacing else Action.TRANSPORT_INFO,
            sid,
            contents=tuple(Content(name, creator, transport=transport) for name, creator in names),
        )


def refused(jingle: Jingle) -> Jingle:
    """The transport-reject that answers a transport-replace."""
    named = tuple(Content(one.name, one.creator, transport=one.transport) for one in jingle.contents)
    return Jingle(Action.TRANSPORT_REJECT, jingle.sid, contents=named)
