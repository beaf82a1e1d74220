"""Finding out what each participant can do (XEP-0030): the cache knows, or the participant is asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from xml.etree.ElementTree import Element

from component.focus.effects import PeerAnswer
from component.focus.features import ASSUMED, DISCO_INFO, FeatureCache, features_of
from component.focus.outbox import Outbox
from component.focus.participant import Participant
from component.stanza import iq

FEATURES_TIMEOUT_S = 1.5
"""A participant that has not said what it can do by then is taken for a browser."""


class Discovery:
    """Fills in `Participant.supported`; `found` is told the time when an answer has done so."""

    def __init__(
        self, outbox: Outbox, own_jid: str, cache: FeatureCache, found: Callable[[float], None]
    ) -> None:
        self._outbox = outbox
        self._own_jid = own_jid
        self._cache = cache
        self._found = found

    def look_up(self, participant: Participant) -> None:
        """Take what the cache knows of its capabilities, or ask it for its features."""
        caps = participant.occupant.caps
        participant.supported = self._cache.get(caps)
        if participant.supported is None:
            query = Element(f"{{{DISCO_INFO}}}query", {"node": f"{caps.node}#{caps.ver}"} if caps else {})
            self._outbox.ask(
                iq("get", participant.jid, self._own_jid, query),
                partial(self._answered, participant),
                timeout_s=FEATURES_TIMEOUT_S,
            )

    def _answered(self, participant: Participant, answer: PeerAnswer, now: float) -> None:
        query = answer.find(f"{{{DISCO_INFO}}}query") if isinstance(answer, Element) else None
        if query is None:
            participant.supported = ASSUMED
        else:
            participant.supported = features_of(query)
            self._cache.put(participant.occupant.caps, query)
        self._found(now)
