"""The reference configuration, whose comments say all there is to say, as the body of a manual page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from carillon.man.roff import bold, escaped, italic, macro, paragraphs, tagged
from carillon.settings import DEFAULT
from carillon.settings.environment import FILE


@dataclass
class _Block:
    """Lines that belong together: the head of a section, or keys with the comment above them."""

    section: str = ""
    comment: list[str] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)


def body(reference: str) -> list[str]:
    """What stands between NAME and SEE ALSO."""
    first, *blocks = _blocks(reference)
    lines = [
        *(macro("SH", "SYNOPSIS"), bold(str(DEFAULT))),
        *(macro("SH", "DESCRIPTION"), *paragraphs(" ".join(first.comment))),
        macro("SH", "SETTINGS"),
    ]
    for block in blocks:
        if block.section:
            lines.append(macro("SS", escaped(f"[{block.section}]")))
        text = escaped(" ".join(block.comment))
        if block.settings:
            tags = [f"{bold(key)} = {italic(value)}" for key, value in block.settings]
            lines += tagged(tags, [text])
        elif text:
            lines.append(text)
    return [*lines, *_environment()]


def _environment() -> list[str]:
    one = tagged([bold(FILE)], [f"The configuration file, where {bold('--config')} names none."])
    text = (
        "The setting section.key, over what the file says: a text as it is, everything else as TOML."
        " --set goes over both."
    )
    return [macro("SH", "ENVIRONMENT"), *one, *tagged([bold("CARILLON_SECTION_KEY")], [escaped(text)])]


def _blocks(reference: str) -> Iterator[_Block]:
    """The blocks in their order. The first is the head of the file, and has neither section nor settings."""
    block = _Block()
    for line in map(str.strip, reference.splitlines()):
        if line.startswith("["):
            yield block
            block = _Block(section=line.strip("[]"))
        elif line.startswith("#"):
            if block.settings:
                yield block
                block = _Block()
            block.comment.append(line.removeprefix("#").strip())
        elif line:
            key, _, value = line.partition(" = ")
            block.settings.append((key, value))
    yield block
