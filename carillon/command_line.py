"""What commands share: the options that name a configuration, and the error that ends a command in words.

Nothing heavy is imported here: every part begins as a command, and keeps what that has loaded.
"""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

from carillon.settings import DEFAULT, Settings, load
from carillon.settings.environment import FILE

WIDTH = 80
"""Columns of what `--help` says in sentences."""

EXIT_CONFIGURATION = 2
"""Exit status for a wrong configuration, secrets included: another try cannot help."""


class CommandError(Exception):
    """A command cannot go on: the text says why and what to do."""

    status = 1
    """The exit status."""


EXIT_STATUSES = {
    0: "success",
    1: "it failed; standard error says why, and what to do",
    EXIT_CONFIGURATION: "wrong command line or configuration",
}
"""Of every command; those with others pass them to `describe`."""


def describe(
    parser: argparse.ArgumentParser,
    text: str,
    *examples: str,
    statuses: Mapping[int, str] = EXIT_STATUSES,
) -> None:
    """Give a command what `--help` and its manual page say beside the options.

    `text` may have several paragraphs; `examples` are command lines; `statuses` those that it ends with.
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    parser.description = "\n\n".join(textwrap.fill(paragraph, WIDTH) for paragraph in paragraphs)
    lines = ["exit status:", *(f"  {status}  {meaning}" for status, meaning in statuses.items())]
    if examples:
        lines = ["examples:", *(f"  {example}" for example in examples), "", *lines]
    parser.epilog = "\n".join(lines)


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """Add --config and --set."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help=f"the configuration (default: ${FILE}, else {DEFAULT}); $CARILLON_SECTION_KEY wins over it",
    )
    add_overrides(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add --set."""
    parser.add_argument(
        "--set",
        metavar="section.key=VALUE",
        dest="overrides",
        action="append",
        default=[],
        help="override a setting; VALUE is TOML, so that a text needs quotes (repeatable)",
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """The configuration that the options and the environment name. Raises SettingsError."""
    return load(options.config, tuple(options.overrides), os.environ)
