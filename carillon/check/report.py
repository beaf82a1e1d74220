"""What `carillon check` prints: findings as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from carillon.check.finding import Finding, Level
from carillon.log import escaped


def text(findings: Sequence[Finding]) -> str:
    """A line for each finding, what to do about it below, and the sum."""
    lines: list[str] = []
    for one in findings:
        lines.append(f"{one.level:7}  {one.part}: {escaped(one.subject)}: {escaped(one.what)}")
        if one.todo:
            lines.append(f"         → {escaped(one.todo)}")
    return "\n".join([*lines, "", _sum(findings)])


def _sum(findings: Sequence[Finding]) -> str:
    count = Counter(one.level for one in findings)
    words = [
        f"{count[level]} {level if level is Level.OK or count[level] == 1 else f'{level}s'}"
        for level in Level
        if count[level] or level is Level.OK
    ]
    return ", ".join(words)


def json_text(findings: Sequence[Finding]) -> str:
    """One JSON object; see docs/check.md."""
    told = [
        {
            "part": one.part,
            "subject": one.subject,
            "level": one.level.value,
            "what": one.what,
            "todo": one.todo,
        }
        for one in findings
    ]
    return json.dumps({"status": worst(findings).value, "findings": told}, indent=2, ensure_ascii=False)


def worst(findings: Sequence[Finding]) -> Level:
    """The worst level among them; ok when there is none."""
    levels = {one.level for one in findings}
    return next((level for level in Level if level in levels), Level.OK)
