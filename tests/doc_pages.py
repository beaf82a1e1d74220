"""The pages of the documentation as data: code blocks, the commands in these, headings and links."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])

BLOCK = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.M | re.S)
_UNIT = re.compile(r"`[\w/]*?([\w@-]+\.(?:service|socket|timer))`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_PROGRAM = re.compile(r"(?:^|[|;&(])\s*(?:\w+=\S*\s+)*([^\s|;&()<>]+)")


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    page: Path
    line: int
    language: str
    text: str
    unit: str = ""
    """The name of the systemd unit that the paragraph above it says it is."""

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page.name}:{self.line}"

    def commands(self) -> list[str]:
        """The command lines, each in one line; in a transcript those after `$ `."""
        joined = self.text.replace("\\\n", " ")
        lines = [line.strip() for line in joined.splitlines() if line.strip()]
        if self.language == "console":
            return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if not line.startswith("#")]


def blocks(page: Path) -> list[Block]:
    """All blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    found_blocks = []
    for found in BLOCK.finditer(text):
        before = text[: found.start()]
        units = _UNIT.findall(before.rstrip().rpartition("\n\n")[2])
        line = before.count("\n") + 1
        found_blocks.append(Block(page, line, found[2], textwrap.dedent(found[3]), "".join(units[-1:])))
    return found_blocks


def programs(command: str) -> list[str]:
    """The names of the programs that a command line runs."""
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"|<[^>]*>", "x", command)
    return _PROGRAM.findall(unquoted)


def headings(page: Path) -> set[str]:
    """The anchors of a page, as forges make them of its headings."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Target and anchor ("" = none) of every link to a file of this repository."""
    for target in _LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if "://" not in target and not target.startswith("mailto:"):
            file, _, anchor = target.partition("#")
            yield file or page.name, anchor
