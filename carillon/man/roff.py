"""Text as roff with the macros of man(7). No I/O."""

from __future__ import annotations

from collections.abc import Iterable

_ESCAPED = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})


def escaped(text: str) -> str:
    """Text that is shown as it is. A line of it may not be taken for a macro."""
    return "\n".join(
        f"\\&{line}" if line.startswith((".", "\\(aq")) else line
        for line in text.translate(_ESCAPED).splitlines()
    )


def bold(text: str) -> str:
    """What is to be typed as it stands."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """What stands for something else."""
    return f"\\fI{escaped(text)}\\fR"


def macro(name: str, *arguments: str) -> str:
    """A line with a macro; its arguments are escaped already."""
    return " ".join((f".{name}", *('"{}"'.format(one.replace('"', "\\(dq")) for one in arguments)))


def paragraphs(text: str) -> list[str]:
    """Lines of running text, a paragraph for every block between empty lines."""
    blocks = [" ".join(block.split()) for block in text.split("\n\n")]
    lines = [escaped(block) for block in blocks if block]
    return [line for block in lines for line in (macro("PP"), block)][1:]


def verbatim(lines: Iterable[str]) -> list[str]:
    """Lines that keep their line breaks, indented."""
    return [macro("PP"), macro("RS", "4"), macro("nf"), *map(escaped, lines), macro("fi"), macro("RE")]


def tagged(tags: Iterable[str], body: list[str]) -> list[str]:
    """Tags (roff), each on a line of its own, with one indented body under them."""
    first, *others = tags
    lines = [macro("TP"), first]
    for tag in others:
        lines += [macro("TQ"), tag]
    return [*lines, *body]
