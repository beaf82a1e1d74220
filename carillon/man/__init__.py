"""`carillon man`: the manual pages, made from what `--help` and the reference configuration say."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

from carillon import __version__, cli
from carillon.command_line import CommandError, describe
from carillon.man import command_page, settings_page
from carillon.man.roff import bold, escaped, macro
from carillon.settings import SettingsError

SETTINGS_PAGE = "carillon.toml"


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the options of `carillon man` to its command line."""
    describe(
        parser,
        """Print the manual page of carillon, of one of its commands, or of the configuration file; or write
        all of them into a directory that is laid out for man(1).""",
        "carillon man run | man -l -",
        "carillon man carillon.toml | man -l -",
        "carillon man --out /usr/local/share/man",
    )
    parser.add_argument(
        "page", metavar="PAGE", nargs="?", help=f"a command, or {SETTINGS_PAGE} (default: carillon itself)"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="write all pages to DIR/man1 and DIR/man5, and print none"
    )
    parser.set_defaults(run=_man)


def _man(options: argparse.Namespace) -> int:
    if options.out is None:
        print(page(options.page or ""), end="")
        return 0
    if options.page is not None:
        raise SettingsError("--out writes all pages: name none")
    try:
        for file, text in pages():
            path = options.out / f"man{file[-1]}" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    return 0


def page(name: str) -> str:
    """The page of a command ("" = carillon itself) or of the configuration. Raises SettingsError."""
    wanted = f"{SETTINGS_PAGE}.5" if name == SETTINGS_PAGE else f"carillon-{name}.1" if name else "carillon.1"
    found = dict(pages())
    if wanted not in found:
        raise SettingsError(f"no manual page {name}: it is that of a command, or {SETTINGS_PAGE}")
    return found[wanted]


def pages() -> Iterator[tuple[str, str]]:
    """File name and text of every page."""
    commands = list(cli.manual())
    summaries = {name: summary for name, summary, _ in commands if name}
    for name, summary, parser in commands:
        title = f"carillon-{name}" if name else "carillon"
        lines = [*command_page.body(parser, {} if name else summaries)]
        yield f"{title}.1", _page(title, 1, summary, [*lines, *_see_also(title, () if name else summaries)])
    reference = resources.files("carillon").joinpath("carillon.toml").read_text(encoding="utf-8")
    lines = [*settings_page.body(reference), *_see_also(SETTINGS_PAGE, ())]
    yield f"{SETTINGS_PAGE}.5", _page(SETTINGS_PAGE, 5, "the configuration of carillon", lines)


def _page(title: str, section: int, summary: str, lines: Iterable[str]) -> str:
    made_at = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    head = [
        macro("TH", escaped(title.upper()), str(section), made_at, f"carillon {__version__}"),
        macro("SH", "NAME"),
        f"{escaped(title)} \\- {escaped(summary)}",
    ]
    return "\n".join([*head, *lines]) + "\n"


def _see_also(title: str, commands: Iterable[str]) -> list[str]:
    names = [("carillon", 1), *((f"carillon-{name}", 1) for name in commands), (SETTINGS_PAGE, 5)]
    text = ",\n".join(f"{bold(name)}({section})" for name, section in names if name != title)
    return [macro("SH", "SEE ALSO"), text]
