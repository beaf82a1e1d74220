"""Where settings come from: TOML texts and `section.key=VALUE` overrides, each value with its origin."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Known = Mapping[str, Mapping[str, object]]
"""The known keys (and their types) of each known section."""


BRIDGES = "bridges"
"""The table whose entries are sections themselves, with the keys of [bridge]."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
RESERVED = {"default", "default-id"}
"""The first bridge, in words and in addresses."""

MAX_NAMED = 30
"""So many names, and no more, are listed in a message; the longest section has less."""


class SettingsError(Exception):
    """A configuration that cannot be used; the text names file, line and what to do."""


@dataclass(frozen=True)
class Value:
    """One value of the configuration, and where it stands (for the message when it is wrong)."""

    section: str
    key: str
    value: object
    origin: str

    @property
    def name(self) -> str:
        """`section.key`."""
        return f"{self.section}.{self.key}"

    @property
    def setting(self) -> str:
        """As `name`, and that of [bridge] for a key of another bridge: both follow the same rules."""
        return f"{'bridge' if is_bridge(self.section) else self.section}.{self.key}"

    def refuse(self, why: str) -> SettingsError:
        """The error that says what is wrong with this value."""
        return SettingsError(f"{self.origin}: {self.name} {why}")


def values_of_text(text: str, path: Path, known: Known) -> Iterator[Value]:
    """The values of one TOML text that stands in `path`, each with its line. Raises SettingsError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    except RecursionError:
        raise SettingsError(f"{path}: is nested too deeply") from None
    for section, keys in document.items():
        origin = f"{path}:{_line(text, section)}"
        if not isinstance(keys, dict):
            where = [name for name, names in known.items() if section in names]
            hint = f"; it belongs under [{where[0]}]" if where else ""
            raise SettingsError(f"{origin}: {section} stands outside of any section{hint}")
        if section != BRIDGES:
            yield from _values_of_section(section, keys, text, path, known)
            continue
        for name, one in keys.items():
            if not isinstance(one, dict):
                raise SettingsError(
                    f"{origin}: the settings of a further bridge stand under [{BRIDGES}.NAME]"
                )
            yield from _values_of_section(f"{BRIDGES}.{name}", one, text, path, known)


def _values_of_section(
    section: str, keys: Mapping[str, object], text: str, path: Path, known: Known
) -> Iterator[Value]:
    require_known(Value(section, "", None, f"{path}:{_line(text, section)}"), known)
    for key, value in keys.items():
        found = Value(section, key, value, f"{path}:{_line(text, section, key)}")
        require_known(found, known)
        yield found


def value_of_override(override: str, known: Known) -> Value:
    """The value of one `section.key=VALUE`, VALUE being TOML. Raises SettingsError."""
    origin = f"--set {override!r}"
    name, equals, text = override.partition("=")
    section, dot, key = name.strip().rpartition(".")
    if not (equals and dot and section and key):
        raise SettingsError(f"{origin}: write it as section.key=VALUE")
    require_known(Value(section, key, None, origin), known)
    try:
        return Value(section, key, toml_value(text), origin)
    except ValueError:
        wanted = f"--set '{section}.{key}=\"…\"'"
        raise SettingsError(f"{origin}: not a TOML value; a text needs quotes: {wanted}") from None


def toml_value(text: str) -> object:
    """The one TOML value that `text` is. Raises ValueError."""
    try:
        document = tomllib.loads(f"value = {text.strip()}")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if list(document) != ["value"]:
        raise ValueError("more than one value")
    value: object = document["value"]
    return value


def require_known(value: Value, known: Known) -> None:
    """Raise SettingsError with the nearest known name when section or key (unless empty) is unknown."""
    keys = keys_of(value.section, known)
    if keys is None and value.section.partition(".")[0] == BRIDGES:
        raise SettingsError(
            f"{value.origin}: a further bridge is [{BRIDGES}.NAME], its name of at most 32 lower-case"
            f" letters, digits and hyphens, and none of {', '.join(sorted(RESERVED))}"
        )
    if keys is None:
        hint = nearest(value.section, known)
        raise SettingsError(f"{value.origin}: unknown section [{value.section}]{hint}")
    if not value.key or value.key in keys:
        return
    elsewhere = [section for section, names in known.items() if value.key in names]
    hint = f"; it belongs under [{elsewhere[0]}]" if elsewhere else nearest(value.key, keys)
    raise SettingsError(f"{value.origin}: unknown key {value.key} in [{value.section}]{hint}")


def is_bridge(section: str) -> bool:
    """Whether it is the section of a further bridge."""
    table, dot, name = section.partition(".")
    return table == BRIDGES and bool(dot) and bool(_NAME.fullmatch(name)) and name not in RESERVED


def keys_of(section: str, known: Known) -> Mapping[str, object] | None:
    """The keys of a section, with their types; None when there is no such section."""
    return known["bridge"] if is_bridge(section) else known.get(section)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a message: the known name that looks most like `name`, or (of a few) all of them."""
    known = list(known)
    matches = difflib.get_close_matches(name, known, n=1)
    if matches:
        return f"; did you mean {matches[0]}?"
    if len(known) > MAX_NAMED:
        return ""
    return f"; known: {', '.join(known)}" if known else "; it has no settings"


def _line(text: str, section: str, key: str = "") -> int:
    """The line where a section or one of its keys stands; for unusual TOML the nearest line above it."""
    current, best = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.partition("#")[0].replace('"', "").replace("'", "").strip()
        if bare.startswith("["):
            current = bare.strip("[] ")
            if current == section:
                best = number
        else:
            name = "".join(bare.partition("=")[0].split())
            if (key and current == section and name == key) or (not current and name == f"{section}.{key}"):
                return number
            if not current and name in (section, f"{section}.{key}"):
                best = number
    return best
