"""Lets axe-core look at a page: what it finds keeps somebody from using it."""

from __future__ import annotations

from tests.e2e.harness import HERE, Participant

AXE = (HERE / "node_modules" / "axe-core" / "axe.min.js").read_text()
RUN = """
axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(({ id, nodes }) =>
    nodes.map(node => `${id}: ${node.target.join(' ')}: ${node.failureSummary}`.replace(/\\s+/g, ' '))))
"""


async def violations(tab: Participant) -> list[str]:
    """What breaks a rule of axe on the page as it is now, all rules that axe has by default: [] = nothing."""
    # Evaluated, not added as a script: the page's Content-Security-Policy allows none but its own.
    await tab.evaluate(f"'axe' in window || (() => {{ {AXE}\n}})()")
    found: list[str] = await tab.evaluate(RUN)
    return found
