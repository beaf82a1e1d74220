"""Tables in plain text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 100
"""Columns that a table takes at most."""
SMALLEST = 6
"""What a column keeps when the table is too wide."""
_GAP = "  "


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], details: Sequence[str] = ()) -> list[str]:
    """Lines of a table: `details` stand below their rows ("" = none). The widest columns are cut to fit."""
    cells = [list(titles), *([_harmless(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > WIDTH and max(widths) > SMALLEST:
        widths[widths.index(max(widths))] -= 1
    lines = []
    for number, row in enumerate(cells):
        shown = [_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(_GAP.join(shown).rstrip())
        if number and details and details[number - 1]:
            lines.append(_cut(f"    {_harmless(details[number - 1])}", WIDTH))
    return lines


def _harmless(text: str) -> str:
    """Other people's text, without what a terminal would obey."""
    return "".join(filter(str.isprintable, text))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
