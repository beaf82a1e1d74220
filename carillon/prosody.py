"""The private Prosody of `carillon dev`: its configuration, its accounts, its program."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import shutil
import unicodedata
from pathlib import Path
from string import Template

from carillon.files import write_private
from carillon.settings import Settings, read_secret
from carillon.supervisor import Program

TEMPLATE = Path(__file__).parent.parent / "prosody-config" / "prosody.cfg.lua"
"""The configuration; it is written to be read, too."""

MAX_REPLY_BYTES = 65536
"""What the check reads of the server's greeting."""

_ITERATIONS = 10000
"""Rounds of SCRAM-SHA-1: what Prosody's mod_auth_internal_hashed uses for a new account."""


class ProsodyError(Exception):
    """Prosody cannot be used; the text says what to do."""


class Prosody:
    """A Prosody that keeps all it has in `directory`, for the XMPP hosts and ports of `settings`."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._directory = directory
        self._settings = settings
        self._data = directory / "data"
        self._config = directory / "prosody.cfg.lua"
        self._log = directory / "prosody.log"
        self._output = directory / "prosody.out"

    def configure(self) -> None:
        """Write the configuration, and begin new logs. Raises ProsodyError or SettingsError."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            template = Template(TEMPLATE.read_text(encoding="utf-8"))
        except OSError as error:
            raise ProsodyError(
                f"{TEMPLATE} cannot be read ({error.strerror}): run carillon dev from a checkout"
            ) from None
        values = {name: _lua(str(value)) for name, value in self._values().items()}
        write_private(self._config, template.substitute(values))
        for old in (self._log, self._output):
            old.unlink(missing_ok=True)

    def _values(self) -> dict[str, object]:
        xmpp, turn = self._settings.xmpp, self._settings.turn
        return {
            "data_path": self._data,
            "pid_file": self._directory / "prosody.pid",
            "log_file": self._log,
            "run_as_root": "true" if os.geteuid() == 0 else "false",
            "server": xmpp.server,
            "c2s_port": xmpp.c2s_port,
            "component_port": xmpp.component_port,
            "component_secret": read_secret(xmpp.secret_file),
            "domain": xmpp.domain,
            "guest_domain": xmpp.guest_domain,
            "muc": xmpp.muc,
            "focus": self._settings.focus.domain,
            "calls": self._settings.calls.domain,
            "turn_host": turn.advertise,
            "turn_secret": read_secret(turn.secret_file),
            "turn_ttl_s": turn.credential_ttl_s,
            "turn_udp_port": turn.udp_port,
            "turn_tcp_port": turn.tcp_port,
            "turn_tls_host": turn.tls_host,
            "turn_tls_port": turn.tls_port,
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
        """What the supervisor runs. Raises ProsodyError when Prosody is not installed."""
        command = shutil.which(
            "prosody", path=f"{os.environ.get('PATH', os.defpath)}:/usr/bin:/usr/local/bin"
        )
        if command is None:
            raise ProsodyError(
                "Prosody is not installed: install Debian's package prosody, or run make setup"
            )
        argv = (command, "-F", "--config", str(self._config))
        return Program("xmpp", argv, self._trouble, output=self._output)

    async def _trouble(self) -> str | None:
        """Why the server does not serve both hosts and components, or None."""
        xmpp = self._settings.xmpp
        try:
            async with asyncio.timeout(2.0):
                _, writer = await asyncio.open_connection(xmpp.server, xmpp.component_port)
                writer.close()
                for host in (xmpp.domain, xmpp.guest_domain):
                    if why := await self._greet(host):
                        return why
        except TimeoutError:
            return "Prosody does not answer"
        except OSError as error:
            return f"Prosody does not listen ({error.strerror}); see {self._log}"
        return None

    async def _greet(self, host: str) -> str | None:
        xmpp = self._settings.xmpp
        reader, writer = await asyncio.open_connection(xmpp.server, xmpp.c2s_port, limit=MAX_REPLY_BYTES)
        try:
            writer.write(
                f"<stream:stream to='{host}' version='1.0' xmlns='jabber:client'"
                " xmlns:stream='http://etherx.jabber.org/streams'>".encode()
            )
            reply = await reader.readuntil(b"</stream:features>")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return f"Prosody does not serve {host}; see {self._log}"
        finally:
            writer.close()
        return None if b"mechanism" in reply else f"Prosody offers no login on {host}"


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha1")


def _lua(text: str) -> str:
    """`text` as it may stand between double quotes in Lua."""
    if not text.isprintable():
        raise ProsodyError(f"{text!r} cannot stand in Prosody's configuration")
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _encoded(name: str) -> str:
    """A name as the data store of Prosody writes it: everything but ASCII letters and digits as %xx."""
    return "".join(
        chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02x}" for byte in name.encode()
    )
