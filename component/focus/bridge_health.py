"""The health of one bridge: what its answers, and their absence, say of it. One table, no I/O.

A bridge is asked for its statistics again and again (component.focus.bridge_watch). What it says is a
report, what it fails to say a sign. Two silences in a row make it dead; a refused connection does at once
and so does an answer of a bridge that media do not get through any more.
"""

from __future__ import annotations

from enum import Enum

from component.focus.bridge_report import BridgeReport

DEAF_S = 3.0
"""A carillon bridge that no client has answered for so long, although it asks every second, is deaf."""
MUTE_PACKETS = 100
"""A bridge that receives so many packets and sends none is mute: it acknowledges what it receives by RTCP."""
MUTE_S = 2.0
"""Over this time at least: a single look may fall between two packets."""
FEW = 2
"""Fewer endpoints than this say nothing of the bridge: it may be their network."""


class Health(Enum):
    """What may be expected of a bridge."""

    NEW = "new"
    """It was never asked; as good as any until it is."""
    UP = "up"
    DOUBTED = "doubted"
    """One question was not answered well: nobody is moved there, nor away."""
    DRAINING = "draining"
    """It carries what it has until its end, and takes no new conference."""
    DOWN = "down"


class Sign(Enum):
    """What one question to a bridge has shown."""

    WELL = "well"
    LEAVING = "leaving"
    """It says that it is to be shut down, or drained."""
    SILENT = "silent"
    """No answer in time."""
    SICK = "sick"
    """An error of its own, or it calls itself unhealthy."""
    REFUSED = "refused"
    """Nobody listens there."""
    DEAF = "deaf"
    """It answers, but media do not get through it."""


_BAD = {Sign.SILENT, Sign.SICK}

HEALTH_TABLE: dict[tuple[Health, Sign], Health] = {
    **{(state, Sign.WELL): Health.UP for state in Health},
    **{(state, Sign.LEAVING): Health.DRAINING for state in Health},
    **{(state, sign): Health.DOWN for state in Health for sign in (Sign.REFUSED, Sign.DEAF)},
    **{(state, sign): Health.DOUBTED for state in (Health.UP, Health.DRAINING) for sign in _BAD},
    **{(state, sign): Health.DOWN for state in (Health.NEW, Health.DOUBTED, Health.DOWN) for sign in _BAD},
}
"""Every state has an answer to every sign."""


class BridgeHealth:
    """See the module."""

    def __init__(self) -> None:
        self.state = Health.NEW
        self.sign: Sign | None = None
        """The last one: why it is in this state."""
        self.report: BridgeReport | None = None
        """What it said last."""
        self.epoch = 0
        """Grows whenever what the bridge knew may be gone: it was restarted, or has come back."""
        self.deaf_at: float | None = None
        """When media did not get through it last."""
        self._heard_from: tuple[float, BridgeReport] | None = None
        """The report since which traffic is counted."""

    def answered(self, report: BridgeReport, now: float) -> bool:
        """It has said this of itself; whether that is another state than before."""
        known, self.report = self.report, report
        restarted = known is not None and report.is_another_instance(known)
        if restarted:
            self._heard_from = None
        if not report.healthy:
            sign = Sign.SICK
        elif self._is_deaf(report, now):
            sign = Sign.DEAF
            self.deaf_at = now
        else:
            sign = Sign.LEAVING if report.leaving else Sign.WELL
        changed = self._move(sign)
        if restarted:
            self.epoch += 1
        return changed or restarted

    def failed(self, sign: Sign) -> bool:
        """It has not answered (well); whether that is another state than before."""
        self._heard_from = None
        return self._move(sign)

    def _move(self, sign: Sign) -> bool:
        before, self.state, self.sign = self.state, HEALTH_TABLE[self.state, sign], sign
        if before is Health.DOWN and self.state is not Health.DOWN:
            self.epoch += 1
        return before is not self.state

    def _is_deaf(self, report: BridgeReport, now: float) -> bool:
        """Whether the media of those who are connected have stopped getting through."""
        if report.connected < FEW:
            self._heard_from = None
            return False
        if report.unanswered_s is not None and report.unanswered_s >= DEAF_S:
            return True
        if self._heard_from is None or report.sent != self._heard_from[1].sent:
            self._heard_from = (now, report)
            return False
        since, first = self._heard_from
        return now - since >= MUTE_S and report.received - first.received >= MUTE_PACKETS
