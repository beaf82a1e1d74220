"""Which side nominates, and who gives way when both want to, or neither (RFC 8445 §7.2.5.1, §7.3.1.1)."""

from __future__ import annotations

import random

from bridge.ice_data import IceRefused, Role
from carillon.stun import Attribute, Message


class AgentRole:
    """Our role, and the tie-breaker that goes with it."""

    def __init__(self, now_is: Role, random_source: random.Random) -> None:
        self.now_is = now_is
        self._random = random_source
        self.tie_breaker = random_source.getrandbits(64)

    def agrees(self, request: Message) -> bool:
        """Settle the conflict that a check may bring: we may have switched. False: the client has to.

        Raises IceRefused when its tie-breaker is none.
        """
        mine = Attribute.ICE_CONTROLLING if self.now_is is Role.CONTROLLING else Attribute.ICE_CONTROLLED
        theirs = request.get(mine)
        if theirs is None:
            return True
        if len(theirs) != 8:
            raise IceRefused("malformed")
        keeps_controlling = self.tie_breaker >= int.from_bytes(theirs, "big")
        if keeps_controlling == (self.now_is is Role.CONTROLLING):
            return False
        self._switch()
        return True

    def lost(self, asked_as: Role) -> None:
        """A check of ours, sent in that role, was answered by 487: switch, unless that was done since."""
        if asked_as is self.now_is:
            self._switch()
            self.tie_breaker = self._random.getrandbits(64)

    def _switch(self) -> None:
        self.now_is = Role.CONTROLLED if self.now_is is Role.CONTROLLING else Role.CONTROLLING
