"""Typed settings, read from TOML over the commented reference configuration `carillon.toml`.

The sections are the dataclasses of `carillon.settings.sections`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from carillon.settings.environment import FILE, values_of_environment, variable
from carillon.settings.rules import check, typed
from carillon.settings.sections import (
    FIRST_BRIDGE,
    AdminSettings,
    BridgeSettings,
    CallSettings,
    FocusSettings,
    FrontSettings,
    JournalSettings,
    LimitSettings,
    LinkSettings,
    LogSettings,
    OperationSettings,
    Settings,
    Socks5Settings,
    TurnSettings,
    XmppSettings,
)
from carillon.settings.source import (
    Known,
    SettingsError,
    Value,
    is_bridge,
    keys_of,
    value_of_override,
    values_of_text,
)
from carillon.settings.together import check_together, derive, inherit
from carillon.unreadable import reason

__all__ = [
    "FIRST_BRIDGE",
    "AdminSettings",
    "BridgeSettings",
    "CallSettings",
    "FocusSettings",
    "FrontSettings",
    "JournalSettings",
    "LimitSettings",
    "LinkSettings",
    "LogSettings",
    "OperationSettings",
    "Settings",
    "SettingsError",
    "Socks5Settings",
    "TurnSettings",
    "XmppSettings",
    "load",
    "override_values",
    "parse",
    "read_secret",
]

REFERENCE = Path(__file__).parent.with_name("carillon.toml")
"""The reference configuration: every key with its default, unit and reason."""

DEFAULT = Path("/etc/carillon/carillon.toml")
"""The configuration of a command that is told no other."""

MAX_SECRET_BYTES = 4096
"""A secret is a line; a file that is longer is another file."""


def load(
    path: Path | None, overrides: tuple[str, ...] = (), environment: Mapping[str, str] = MappingProxyType({})
) -> Settings:
    """The configuration: the file over the reference, the environment over both, then `section.key=VALUE`.

    `path` None is the file that CARILLON_CONFIG names, else DEFAULT; where there is none, environment or
    overrides must at least name the domain, and relative paths begin in the working directory.
    Raises SettingsError for an unreadable file, an unknown key (naming the nearest known one) or a bad value.
    """
    path = path or (Path(environment[FILE]) if environment.get(FILE) else None)
    if path is not None:
        return parse(_text_of(path), path, overrides, environment)
    try:
        exists = DEFAULT.exists()
    except OSError as error:
        raise SettingsError(f"{DEFAULT}: cannot be read: {reason(error)}") from None
    if exists:
        return parse(_text_of(DEFAULT), DEFAULT, overrides, environment)
    if variable("xmpp", "domain") not in environment and not any("xmpp.domain" in one for one in overrides):
        raise SettingsError(
            f"there is no configuration: say which with --config FILE or {FILE}, write {DEFAULT},"
            f" or name at least {variable('xmpp', 'domain')} in the environment"
        )
    return parse("", Path(DEFAULT.name), overrides, environment)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {reason(error)}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8 text") from None


def parse(
    text: str,
    path: Path,
    overrides: tuple[str, ...] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Settings:
    """As `load`, for a text that stands (or will stand) in `path`."""
    known = _known()
    values = dict(_reference())
    values |= {value.name: value for value in values_of_text(text, path, known)}
    values |= {value.name: value for value in values_of_environment(environment, known)}
    values |= {value.name: value for value in (value_of_override(text, known) for text in overrides)}
    path = path.absolute()
    inherit(values)
    found: dict[str, dict[str, Any]] = {value.section: {} for value in values.values()}
    for value in values.values():
        one = typed(value, (keys_of(value.section, known) or {})[value.key], path.parent)
        check(value, one)
        found[value.section][value.key] = one
    check_together(values, found)
    derive(found, path.parent)
    return Settings(
        path=path,
        bridges={name.partition(".")[2]: BridgeSettings(**found[name]) for name in found if is_bridge(name)},
        bridge_name=FIRST_BRIDGE,
        **{section: cls(**found[section]) for section, cls in _sections().items()},
    )


def override_values(overrides: tuple[str, ...]) -> dict[str, dict[str, object]]:
    """`section.key=VALUE` overrides as a TOML table; `parse` checks the values. Raises SettingsError."""
    table: dict[str, dict[str, object]] = {}
    for value in (value_of_override(text, _known()) for text in overrides):
        table.setdefault(value.section, {})[value.key] = value.value
    return table


def read_secret(path: Path) -> str:
    """The secret that stands alone in a file, without the white space around it.

    Raises SettingsError when the file is missing, empty or more than one line, and when people other than its
    owner and group can read it: whoever reads the component secret can be the focus, and nobody acts on a
    warning. The group may read, because an XMPP server that shares the file often runs as another user.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(MAX_SECRET_BYTES + 1).strip()
    except FileNotFoundError as error:
        raise SettingsError(
            f"the secret file {path} cannot be read: {error.strerror}: `openssl rand -hex 32` makes a secret"
        ) from None
    except OSError as error:
        raise SettingsError(f"the secret file {path} cannot be read: {reason(error)}") from None
    if mode & stat.S_IRWXO:
        raise SettingsError(f"the secret file {path} is open to everybody on this machine: chmod o= {path}")
    if not secret:
        raise SettingsError(f"the secret file {path} is empty")
    if len(secret) > MAX_SECRET_BYTES or not secret.isascii() or not secret.decode("ascii").isprintable():
        raise SettingsError(
            f"the secret file {path} must hold one line of ASCII, at most {MAX_SECRET_BYTES} bytes"
        )
    return secret.decode("ascii")


@cache
def _reference() -> Mapping[str, Value]:
    """Every setting's default, by its name."""
    text = REFERENCE.read_text(encoding="utf-8")
    return {value.name: value for value in values_of_text(text, REFERENCE, _known())}


@cache
def _sections() -> Mapping[str, type[Any]]:
    """The dataclass of each section."""
    hints = get_type_hints(Settings)
    return {one.name: hints[one.name] for one in fields(Settings) if is_dataclass(hints[one.name])}


@cache
def _known() -> Known:
    """The type of each key of each section."""
    return {section: get_type_hints(cls) for section, cls in _sections().items()}
