"""A check, and how all of them are carried out: at the same time, each within its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from carillon.check.finding import Finding, error

MAX_CHECK_S = 20.0
"""Longer than the time-outs of any check together: only one that hangs reaches it."""


@dataclass(frozen=True)
class Check:
    """Something to look at."""

    part: str
    name: str
    """What the terminal shows while it runs."""
    look: Callable[[], Awaitable[Iterable[Finding]]]
    """Gives its findings; its own time-outs are a few seconds."""


Progress = Callable[[Sequence[Check]], None]
"""Is told which checks still run, whenever one begins or ends."""


async def carry_out(
    checks: Sequence[Check], progress: Progress, within_s: float = MAX_CHECK_S
) -> list[Finding]:
    """Run all checks at once; gives their findings in the order of `checks`."""
    running = list(checks)

    async def one(check: Check) -> list[Finding]:
        try:
            async with asyncio.timeout(within_s):
                return list(await check.look())
        except TimeoutError:
            return [_unfinished(check, f"has not ended in {within_s:.0f} s")]
        except Exception as failure:  # a mistake of ours must not hide what the other checks have found
            return [_unfinished(check, f"has failed: {type(failure).__name__}: {failure}")]
        finally:
            running.remove(check)
            progress(running)

    progress(running)
    found = await asyncio.gather(*map(one, checks))
    return [finding for findings in found for finding in findings]


def _unfinished(check: Check, how: str) -> Finding:
    return error(check.part, check.name, f"the check itself {how}", "run it again; report it if it stays so")
