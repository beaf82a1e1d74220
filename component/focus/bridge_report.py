"""What a bridge says of itself: its answer to GET /colibri/stats, read. Ours and Jitsi Videobridge's.

Whatever is missing or of another kind is as if nothing were wrong: a bridge is not given up for a figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

LARGEST = 1e15
"""No figure of a bridge is larger."""
MAX_NAME = 200


@dataclass(frozen=True)
class BridgeReport:
    """One answer."""

    instance: str = ""
    """Another one after each start; "" when the bridge has no such name (JVB)."""
    version: str = ""
    healthy: bool = True
    leaving: bool = False
    """It drains, or shuts down when its conferences have ended."""
    stress: float = 0.0
    """How loaded it is: 1 is as much as it should carry."""
    endpoints: int = 0
    connected: int = 0
    """Endpoints whose transport stands."""
    created: int = 0
    """Conferences since its start: smaller than before only after a restart."""
    received: int = 0
    """Media packets since its start; so below."""
    sent: int = 0
    unanswered_s: float | None = None
    """How long no client has answered, although some are asked every second; None: not measured (JVB)."""

    def is_another_instance(self, earlier: BridgeReport) -> bool:
        """Whether the bridge was restarted since it said `earlier`."""
        if self.instance and earlier.instance:
            return self.instance != earlier.instance
        return self.created < earlier.created


def read_report(body: Any) -> BridgeReport | None:
    """The report in a parsed JSON body; None when it is none at all."""
    if not isinstance(body, dict):
        return None
    return BridgeReport(
        instance=_name(body.get("instance")),
        version=_name(body.get("version")),
        healthy=body.get("healthy") is not False,
        leaving=any(body.get(key) is True for key in ("graceful_shutdown", "shutting_down", "drain")),
        stress=_number(body.get("stress_level")) or 0.0,
        endpoints=_whole(body.get("endpoints", body.get("participants"))),
        connected=_whole(body.get("local_active_endpoints", body.get("local_endpoints"))),
        created=_whole(body.get("total_conferences_created")),
        received=_whole(body.get("total_packets_received")),
        sent=_whole(body.get("total_packets_sent")),
        unanswered_s=_number(body.get("unanswered_s")),
    )


def _name(value: Any) -> str:
    return value[:MAX_NAME] if isinstance(value, str) and value.isprintable() else ""


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and 0 <= value <= LARGEST else None


def _whole(value: Any) -> int:
    return int(_number(value) or 0)
