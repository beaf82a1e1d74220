"""What XMPP servers have in common: what their configuration says, what `carillon dev` asks of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Protocol

from carillon.command_line import CommandError
from carillon.program import Program
from carillon.settings import Settings, XmppSettings, read_secret

MAX_REPLY_BYTES = 65536
"""What the check reads of the server's greeting."""


class XmppServerError(CommandError):
    """The XMPP server cannot be used; the text says what to do."""


class XmppServer(Protocol):
    """An XMPP server that keeps all it has in one directory."""

    def configure(self) -> None:
        """Write the configuration, and begin new logs. Raises XmppServerError or SettingsError."""

    def put_account(self, name: str, password: str) -> None:
        """Have the account `name` with this password. Called after `configure`, and before the start."""

    def program(self) -> Program:
        """What the supervisor runs. Raises XmppServerError when the server is not installed."""


def values_of(settings: Settings) -> dict[str, str | bool]:
    """What a server's configuration says of the deployment: texts for between double quotes, and conditions.

    Raises SettingsError without a secret, XmppServerError.
    """
    xmpp, turn = settings.xmpp, settings.turn
    values = {
        "server": xmpp.server,
        "c2s_port": xmpp.c2s_port,
        "component_port": xmpp.component_port,
        "component_secret": read_secret(xmpp.secret_file),
        "domain": xmpp.domain,
        "guest_domain": xmpp.guest_domain,
        "muc": xmpp.muc,
        "focus": settings.focus.domain,
        "calls": settings.calls.domain,
        "proxy": settings.socks5.domain,
        "turn_host": turn.advertise,
        "turn_secret": read_secret(turn.secret_file),
        "turn_ttl_s": turn.credential_ttl_s,
        "turn_udp_port": turn.udp_port,
        "turn_tcp_port": turn.tcp_port,
        "turn_tls_host": turn.tls_host,
        "turn_tls_port": turn.tls_port,
    }
    return {
        **{name: quotable(str(value)) for name, value in values.items()},
        "guest_host": xmpp.guest_domain != xmpp.domain,
        "calls_enabled": settings.calls.enabled,
        "proxy_enabled": settings.socks5.enabled,
        "turns": bool(turn.tls_port),
        "delegation": xmpp.delegation,
    }


def program_path(name: str) -> Path | None:
    """Where a program is: servers also lie where the search path of an ordinary user does not lead."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin"
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def quotable(text: str) -> str:
    """`text` as it may stand between double quotes, in Lua as in YAML. Raises XmppServerError."""
    if not text.isprintable():
        raise XmppServerError(f"{text!r} cannot stand in the configuration of an XMPP server")
    return text.replace("\\", "\\\\").replace('"', '\\"')


async def trouble(name: str, xmpp: XmppSettings, log: Path) -> str | None:
    """Why the server called `name` does not serve both hosts and components, or None."""
    try:
        async with asyncio.timeout(2.0):
            _, writer = await asyncio.open_connection(xmpp.server, xmpp.component_port)
            writer.close()
            for host in dict.fromkeys((xmpp.domain, xmpp.guest_domain)):
                if not (greeting := await _greeting(xmpp, host)):
                    return f"{name} does not serve {host}; see {log}"
                if b"mechanism" not in greeting:
                    return f"{name} offers no login on {host}"
    except TimeoutError:
        return f"{name} does not answer"
    except OSError as error:
        return f"{name} does not listen ({error.strerror}); see {log}"
    return None


async def _greeting(xmpp: XmppSettings, host: str) -> bytes:
    """What the server says to a client of `host`, up to its stream features; empty when it refuses."""
    reader, writer = await asyncio.open_connection(xmpp.server, xmpp.c2s_port, limit=MAX_REPLY_BYTES)
    try:
        writer.write(
            f"<stream:stream to='{host}' version='1.0' xmlns='jabber:client'"
            " xmlns:stream='http://etherx.jabber.org/streams'>".encode()
        )
        return await reader.readuntil(b"</stream:features>")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return b""
    finally:
        writer.close()
