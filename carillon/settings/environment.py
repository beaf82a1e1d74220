"""Settings from the environment: `CARILLON_SECTION_KEY`, each value with its variable's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from carillon.settings.rules import Texts
from carillon.settings.source import Known, SettingsError, Value, nearest, toml_value

PREFIX = "CARILLON_"

FILE = "CARILLON_CONFIG"
"""The variable that names the configuration file; no setting."""


def variable(section: str, key: str) -> str:
    """The name of the environment variable of a setting."""
    return f"{PREFIX}{section}_{key}".upper()


def variables(environment: Mapping[str, str]) -> list[str]:
    """The names of all variables that are meant for carillon, known or not."""
    return sorted(name for name in environment if name.startswith(PREFIX))


def values_of_environment(environment: Mapping[str, str], known: Known) -> Iterator[Value]:
    """The settings in the environment: a text as it is, anything else as TOML.

    Raises SettingsError for a variable that names no setting, with the nearest name that does.
    """
    names = {variable(section, key): (section, key) for section, keys in known.items() for key in keys}
    for name in variables(environment):
        if name == FILE:
            continue
        origin = f"the environment variable {name}"
        if name not in names:
            raise SettingsError(f"{origin} names no setting{nearest(name, (*names, FILE))}")
        section, key = names[name]
        text = environment[name]
        if _is_text(known[section][key], text):
            yield Value(section, key, text, origin)
            continue
        try:
            yield Value(section, key, toml_value(text), origin)
        except ValueError:
            raise SettingsError(f"{origin}: {section}.{key} must be a TOML value, not {text!r:.60}") from None


def _is_text(kind: object, text: str) -> bool:
    """Whether the value is the text itself: no address begins with the bracket of a list."""
    several = isinstance(kind, type) and issubclass(kind, Texts)
    return kind in (str, Path) or (several and not text.lstrip().startswith("["))
