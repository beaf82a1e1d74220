"""The configurations and snippets of `prosody-config/`: texts with words in braces and lines that depend.

`${name}` stands for a value. Lines between `@if name` (or `@if not name`) and `@end` are there when the value
is true (or not); such blocks may stand in one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from carillon.command_line import CommandError

DIRECTORY = Path(__file__).with_name("templates")
"""Where they are: a link to `prosody-config/` in a checkout, a directory of its own in a wheel."""


def filled_in(name: str, values: Mapping[str, str | bool]) -> str:
    """The text of a template with `values` in their places. Raises CommandError when it cannot be read."""
    path = DIRECTORY / name
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}): install carillon again") from None
    return Template("".join(_lines(text, values))).substitute(values)


def _lines(text: str, values: Mapping[str, str | bool]) -> Iterator[str]:
    """The lines that are there."""
    shown = [True]
    for line in text.splitlines(keepends=True):
        if line.startswith("@if "):
            words = line.split()
            shown.append(shown[-1] and bool(values[words[-1]]) is (words[1] != "not"))
        elif line == "@end\n":
            shown.pop()
        elif shown[-1]:
            yield line
