"""Where calls lead: makes their legs, new ones and those that another process has left."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable

from carillon.settings import Settings
from component.calls.addresses import Callee
from component.calls.call import MakeLeg
from component.calls.echo import EchoLeg
from component.calls.leg import Leg, LegListener
from component.calls.line import Line
from component.calls.proxies import Proxies
from component.calls.records import EchoRecord, LegRecord, RoomRecord
from component.calls.room_leg import RoomLeg
from component.focus.bridge_pool import BridgePool


class Legs:
    """See the module. `name` says how a caller is called in a room."""

    def __init__(
        self, settings: Settings, bridges: BridgePool, proxies: Proxies, name: Callable[[str], str]
    ) -> None:
        self._muc = settings.xmpp.muc
        self._focus = settings.focus.domain
        self._bridges = bridges
        self._proxies = proxies
        self._name = name
        self._random = random.SystemRandom()

    def to(self, line: Line, called: Callee) -> MakeLeg:
        """A new leg to who is called."""
        name = f"{self._random.getrandbits(32):08x}"

        def echo(listener: LegListener) -> Leg:
            return self._echo(line, name, str(uuid.uuid4()), listener)

        def room(listener: LegListener) -> Leg:
            place, own_jid = f"{called.name}@{self._muc}", f"{called.jid}/{name}"
            return self._room(line, place, own_jid, self._name(line.call.caller), listener)

        return echo if called.is_echo else room

    def left(self, line: Line, record: LegRecord) -> MakeLeg | None:
        """The leg that another process has left; None when there was none yet."""
        if (echo := record.echo) is not None:
            return lambda listener: self._left_echo(line, echo, listener)
        if (room := record.room) is not None:
            return lambda listener: self._left_room(line, room, listener)
        return None

    def _left_echo(self, line: Line, record: EchoRecord, listener: LegListener) -> Leg:
        leg = self._echo(line, record.name, record.meeting_id, listener)
        leg.restore(record)
        return leg

    def _left_room(self, line: Line, record: RoomRecord, listener: LegListener) -> Leg:
        leg = self._room(line, record.room, record.own_jid, record.name, listener)
        leg.restore(record)
        return leg

    def _echo(self, line: Line, name: str, meeting_id: str, listener: LegListener) -> EchoLeg:
        return EchoLeg(line.outbox, name, meeting_id, self._new_ssrc, listener, bridges=self._bridges)

    def _room(self, line: Line, room: str, own_jid: str, name: str, listener: LegListener) -> RoomLeg:
        leg = RoomLeg(
            line.outbox,
            room=room,
            own_jid=own_jid,
            focus=self._focus,
            name=name,
            new_ssrc=self._new_ssrc,
            listener=listener,
        )
        self._proxies.put(line, leg)
        return leg

    def _new_ssrc(self) -> int:
        return self._random.randrange(1, 1 << 32)
