"""What commands share: the options that name a configuration, and the error that ends a command in words.

Nothing heavy is imported here: every part begins as a command, and keeps what that has loaded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from carillon.settings import Settings, SettingsError, load


class CommandError(Exception):
    """A command cannot go on: the text says why and what to do. Its exit status is 1."""


def add_configuration(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --config and --set."""
    parser.add_argument("--config", metavar="FILE", type=Path, required=required, help="the configuration")
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
    """The configuration that the options name. Raises SettingsError."""
    if options.config is None:
        raise SettingsError("say which configuration, with --config FILE")
    return load(options.config, tuple(options.overrides))
