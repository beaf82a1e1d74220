"""Writes the small part of TOML that settings need: sections of texts, numbers, truth values and lists."""

from __future__ import annotations

from collections.abc import Mapping


def dumps(table: Mapping[str, Mapping[str, object]]) -> str:
    """The TOML text of sections and their keys, which must be bare keys."""
    sections = []
    for section, keys in table.items():
        lines = "".join(f"{key} = {value_text(value)}\n" for key, value in keys.items())
        sections.append(f"[{section}]\n{lines}")
    return "\n".join(sections)


def value_text(value: object) -> str:
    """One value as TOML. Raises TypeError for a kind that no setting has."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    raise TypeError(f"no setting is a {type(value).__name__}")


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
