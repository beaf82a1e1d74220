"""A command's parser as the body of its manual page."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping

from carillon.man.roff import bold, escaped, italic, macro, paragraphs, tagged, verbatim

_VALUES: dict[int | str | None, tuple[str, int]] = {
    argparse.OPTIONAL: ("[%s]", 1),
    argparse.ZERO_OR_MORE: ("[%s ...]", 1),
    argparse.ONE_OR_MORE: ("%s [%s ...]", 2),
    argparse.REMAINDER: ("[%s ...]", 1),
    argparse.PARSER: ("%s ...", 1),
}
"""By nargs: how the values of an argument are written, and how often its name stands there."""


def body(parser: argparse.ArgumentParser, commands: Mapping[str, str]) -> list[str]:
    """What stands between NAME and SEE ALSO. `commands` are summaries of those with a page of their own."""
    told = _told(parser)
    nested = {} if commands else {name: _told(one) for name, one in told.nested.items()}
    synopses = [one.synopsis for one in nested.values()] or [told.synopsis]
    lines = [macro("SH", "SYNOPSIS"), macro("nh"), synopses[0]]
    for synopsis in synopses[1:]:
        lines += [macro("br"), synopsis]
    lines += [macro("hy"), macro("SH", "DESCRIPTION"), *told.text]
    if nested or commands:
        lines.append(macro("SH", "COMMANDS"))
    for name, one in nested.items():
        lines += [macro("SS", escaped(name)), *one.text, *one.options]
    for name, summary in commands.items():
        lines += tagged([bold(name)], [escaped(f"{summary[0].upper()}{summary[1:]}.")])
    if told.options:
        lines += [macro("SH", "OPTIONS"), *told.options]
    return [*lines, *_epilog(parser.epilog or "")]


class _Told(argparse.HelpFormatter):
    """What a parser tells the formatter of `--help`."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self.program = prog
        self.synopsis = ""
        self.text: list[str] = []
        self.options: list[str] = []
        self.nested: dict[str, argparse.ArgumentParser] = {}

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        """Called with everything that the command line may hold."""
        words = [_in_synopsis(action) for action in actions if not isinstance(action, argparse._HelpAction)]
        self.synopsis = " ".join((bold(self.program), *words))

    def add_text(self, text: str | None) -> None:
        """Called with the description first; the epilog is not for this."""
        if text and not self.text:
            self.text = paragraphs(text)

    def add_arguments(self, actions: Iterable[argparse.Action]) -> None:
        """Called for each group of arguments."""
        for action in actions:
            if isinstance(action, argparse._SubParsersAction):
                self.nested |= action.choices
            elif action.help is not argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
                tag = ", ".join(map(bold, action.option_strings))
                words = " ".join(word for word in (tag, _values(action)) if word) if tag else _name(action)
                text = (action.help or "") % {**vars(action), "prog": self.program}
                self.options += tagged([words], [escaped(text)])


def _told(parser: argparse.ArgumentParser) -> _Told:
    told = _Told(parser.prog)
    usual, parser.formatter_class = parser.formatter_class, lambda prog: told
    parser.format_help()
    parser.formatter_class = usual
    return told


def _values(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    form, times = _VALUES.get(action.nargs, ("%s", 1))
    return form % ((_name(action),) * times)


def _name(action: argparse.Action) -> str:
    if action.choices is not None and action.metavar is None:
        return "|".join(bold(str(choice)) for choice in action.choices)
    return italic(str(action.metavar or action.dest.upper()))


def _in_synopsis(action: argparse.Action) -> str:
    if not action.option_strings:
        return _values(action)
    word = " ".join(part for part in (bold(action.option_strings[0]), _values(action)) if part)
    return word if action.required else f"[{word}]"


def _epilog(text: str) -> list[str]:
    """The parts of what `describe` wrote, each under a heading of its own."""
    lines: list[str] = []
    for part in text.split("\n\n"):
        title, *rest = part.splitlines()
        heading = title.rstrip(":").upper()
        lines.append(macro("SH", heading))
        if heading == "EXAMPLES":
            lines += verbatim(line.strip() for line in rest)[1:]
        else:
            for line in rest:
                status, _, meaning = line.strip().partition("  ")
                lines += tagged([bold(status)], [escaped(meaning)])
    return lines
