"""Checks of the configuration itself: whether the files that it names can be used by who runs the check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from carillon.check.finding import Finding, error, name_of, ok
from carillon.settings import Settings, SettingsError, read_secret

PART = "configuration"


@dataclass(frozen=True)
class SecretFile:
    """A file that holds a secret, alone on its line."""

    setting: str
    path: Path
    parts: tuple[str, ...]
    """Who reads it."""
    what: str

    @property
    def name(self) -> str:
        """The name of the finding about it."""
        return name_of(PART, self.setting)


def secret_files(settings: Settings) -> list[SecretFile]:
    """Those that this configuration uses."""
    files = [
        SecretFile(
            "xmpp.secret_file", settings.xmpp.secret_file, ("link", "component"), "the component secret"
        ),
        SecretFile(
            "turn.secret_file",
            settings.turn.secret_file,
            ("component", "relay"),
            "the secret of the TURN credentials",
        ),
    ]
    if settings.calls.enabled and settings.calls.rooms == "pin":
        files.append(
            SecretFile("calls.pin_file", Path(settings.calls.pin_file), ("component",), "the PIN of calls")
        )
    return files


def unreadable(settings: Settings, part: str) -> tuple[str, ...]:
    """The names of the findings that may explain why `part` does not run: those about its secrets."""
    return tuple(file.name for file in secret_files(settings) if part in file.parts)


def findings(settings: Settings, parts: Sequence[str]) -> Iterable[Finding]:
    """One for each file with a secret that one of `parts` reads, and one when all is well."""
    troubles = [
        found
        for file in secret_files(settings)
        if set(file.parts).intersection(parts) and (found := _of_secret(file))
    ]
    return troubles or [ok(PART, "files", f"{settings.path} and the secrets that it names can be read")]


def _of_secret(file: SecretFile) -> Finding | None:
    try:
        read_secret(file.path)
    except SettingsError as trouble:
        return error(PART, file.setting, f"{trouble}", f"{_mend(file)} ({file.setting})")
    return None


def _mend(file: SecretFile) -> str:
    """What makes the file a good one."""
    if not file.path.exists():
        return f"write {file.what} into it, alone on its line, readable by the user of carillon only"
    return f"have it hold {file.what}, alone on its line, and belong to the user that carillon runs as"


def not_loaded(trouble: SettingsError) -> Finding:
    """The finding when there is no configuration to check anything with."""
    return error(PART, "file", str(trouble), "mend that first: nothing else was checked")
