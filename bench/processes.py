"""What the parts of a running carillon cost: CPU time and memory, from /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Places in /proc/PID/stat, counted behind the name, which may hold blanks (proc(5))."""


@dataclass(frozen=True)
class Usage:
    """Of each part, by name."""

    cpu_s: Mapping[str, float]
    """Seconds of CPU since the process began."""
    rss_mb: Mapping[str, float]
    """Resident memory, in MB as ps and top count them: 2^20 bytes."""

    def since(self, before: Usage) -> dict[str, dict[str, float]]:
        """What has been spent since `before`, and the memory that is held now."""
        return {
            "cpu_s": {name: round(spent - before.cpu_s[name], 2) for name, spent in self.cpu_s.items()},
            "rss_mb": {name: round(held, 1) for name, held in self.rss_mb.items()},
        }

    def focus_and_bridge_mb(self) -> float:
        """Memory of the two processes that do what Jicofo and Jitsi Videobridge do."""
        return round(self.rss_mb["component"] + self.rss_mb["bridge"], 1)


def usage(pids: Mapping[str, int]) -> Usage:
    """What these processes have used; `pids` as endpoints.json names them."""
    return Usage(
        {name: _cpu_s(pid) for name, pid in pids.items()},
        {name: _rss_mb(pid) for name, pid in pids.items()},
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
