"""Prosody: what one that runs needs for carillon, and the private one of `carillon dev`."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import unicodedata
from pathlib import Path

from carillon.files import write_private
from carillon.program import Program
from carillon.settings import Settings
from carillon.settings.rules import is_address
from carillon.template import filled_in
from carillon.xmpp_server import XmppServerError, program_path, quotable, trouble, values_of

CONFIGURATION = "prosody.cfg.lua"

COMPONENT_PORT = 5347
"""Where Prosody listens for components when its configuration does not say."""

_MODULES = re.compile(r"^CFG_PLUGINDIR='([^'\n]+)'", re.MULTILINE)
"""Where Prosody's modules lie, as its program, a script, says it."""

_ITERATIONS = 10000
"""Rounds of SCRAM-SHA-1: what Prosody's mod_auth_internal_hashed uses for a new account."""


def snippet(settings: Settings) -> str:
    """What a Prosody that runs needs for carillon, with secrets. Raises SettingsError, XmppServerError."""
    return filled_in("snippet.cfg.lua", _values_of(settings))


def _values_of(settings: Settings) -> dict[str, str | bool]:
    """What snippet and frame say of the deployment. Raises SettingsError, XmppServerError."""
    xmpp = settings.xmpp
    return {
        **values_of(settings),
        "other_component_port": xmpp.component_port != COMPONENT_PORT,
        "other_machine": is_address(xmpp.server) and not ipaddress.ip_address(xmpp.server).is_loopback,
    }


class Prosody:
    """A Prosody that keeps all it has in `directory`, for the XMPP hosts and ports of `settings`."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._directory = directory
        self._settings = settings
        self._data = directory / "data"
        self._config = directory / CONFIGURATION
        self._log = directory / "prosody.log"
        self._output = directory / "prosody.out"

    def configure(self) -> None:
        """Write the configuration, and begin new logs. Raises XmppServerError or SettingsError."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = {name: quotable(str(value)) for name, value in self._own_values().items()}
        values = {**_values_of(self._settings), **own, "snippet": snippet(self._settings)}
        write_private(self._config, filled_in(CONFIGURATION, values))
        for old in (self._log, self._output):
            old.unlink(missing_ok=True)

    def _own_values(self) -> dict[str, object]:
        return {
            "data_path": self._data,
            "pid_file": self._directory / "prosody.pid",
            "log_file": self._log,
            "run_as_root": "true" if os.geteuid() == 0 else "false",
        }

    def put_account(self, name: str, password: str) -> None:
        """Create the account `name`, or give it this password. Prosody must not run.

        The account is written into the data store in the form of mod_auth_internal_hashed: `prosodyctl
        register` would refuse an account that exists, take half a second and show the password to `ps`.
        """
        salt = secrets.token_hex(16)
        name, password = (
            unicodedata.normalize("NFKC", text) for text in (name, password)
        )  # as SASLprep does
        salted = hashlib.pbkdf2_hmac("sha1", password.encode(), salt.encode(), _ITERATIONS)
        account = {
            "iteration_count": str(_ITERATIONS),
            "salt": f'"{salt}"',
            "stored_key": f'"{hashlib.sha1(_hmac(salted, b"Client Key")).hexdigest()}"',
            "server_key": f'"{_hmac(salted, b"Server Key").hex()}"',
        }
        folder = self._data / _encoded(self._settings.xmpp.domain) / "accounts"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = "".join(f'\t["{key}"] = {value};\n' for key, value in account.items())
        write_private(folder / f"{_encoded(name)}.dat", f"return {{\n{lines}}};\n")

    def program(self) -> Program:
        """What the supervisor runs. Raises XmppServerError when Prosody, or a module, is not installed."""
        command = program_path("prosody")
        if command is None:
            raise XmppServerError(
                "Prosody is not installed: install Debian's package prosody, or run make setup"
            )
        if self._settings.xmpp.delegation and not _has_delegation(command):
            raise XmppServerError(
                "xmpp.delegation takes the community module mod_delegation: install Debian's package"
                " prosody-modules, or run make test-setup"
            )
        argv = (str(command), "-F", "--config", str(self._config))
        return Program("xmpp", argv, self._trouble, output=self._output)

    async def _trouble(self) -> str | None:
        return await trouble("Prosody", self._settings.xmpp, self._log)


def _has_delegation(command: Path) -> bool:
    """Whether mod_delegation is where this Prosody has its modules."""
    modules = _MODULES.search(command.read_text(encoding="utf-8", errors="replace"))
    return modules is None or (Path(modules[1]) / "mod_delegation").is_dir()


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha1")


def _encoded(name: str) -> str:
    """A name as the data store of Prosody writes it: everything but ASCII letters and digits as %xx."""
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02x}" for byte in name.encode()
    )
