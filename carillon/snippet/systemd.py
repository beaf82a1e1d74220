"""The snippet of systemd: a unit that runs all parts."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from carillon.command_line import CommandError
from carillon.part import control_socket, parts_of
from carillon.settings import Settings
from carillon.settings.rules import host_and_port
from carillon.template import filled_in

STOP_S = 30.0
"""How long a stop may take beside operation.drain_s: the supervisor gives each part its time to end."""

DESCRIPTORS = 65536
"""At least: of the front, whose part of them is by far the largest."""

HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))
"""What a unit with ProtectHome=true and PrivateTmp=true does not see."""

_RUN = Path("/run")
_LOW_PORTS = 1024


def unit(settings: Settings) -> str:
    """A service unit. Raises CommandError."""
    if not settings.path.is_file():
        raise CommandError("a unit needs a configuration file: say which, with --config FILE")
    journal = [settings.journal.store] if settings.journal.is_file else []
    directories = sorted({Path(written).parent for written in (*_sockets(settings), *journal)})
    runtime = [path.relative_to(_RUN) for path in directories if _RUN in path.parents]
    others = [path for path in directories if _RUN not in path.parents]
    values: dict[str, str | bool] = {
        "files": shlex.join(map(str, _files(settings))),
        "command": _words_of_a_command(_command(settings)),
        "stop_s": f"{settings.operation.drain_s + STOP_S:g}",
        "descriptors": str(max(DESCRIPTORS, 4 * settings.front.max_connections)),
        "runtime": " ".join(map(_word, runtime)),
        "writable": " ".join(_word(f"-{path}") for path in others),  # "-": the first command makes it
        "made": _words_of_a_command(others),
        "low_port": min(_ports(settings)) < _LOW_PORTS,
    }
    return filled_in("carillon.service", values)


def remarks(settings: Settings) -> list[str]:
    """What the unit cannot run as it is."""
    program = Path(_command(settings)[0])
    return [
        f"the service does not see {path}: install carillon below /opt, and keep its files in /etc/carillon"
        for path in (program, settings.path)
        if any(hidden in path.parents for hidden in HIDDEN)
    ]


def _command(settings: Settings) -> tuple[str | Path, ...]:
    """How this very carillon is run."""
    script = Path(sys.executable).with_name("carillon")
    program = (script,) if script.is_file() else (sys.executable, "-m", "carillon")
    return (*program, "run", "--config", settings.path)


def _files(settings: Settings) -> list[str | Path]:
    """What the service reads and others must not."""
    xmpp, turn, front = settings.xmpp, settings.turn, settings.front
    optional = (settings.calls.pin_file, front.key, turn.key)
    files = (settings.path, xmpp.secret_file, turn.secret_file, *filter(None, optional))
    return list(dict.fromkeys(map(str, files)))


def _sockets(settings: Settings) -> list[str]:
    controls = [control_socket(name, settings) for name in parts_of(settings)]
    return [path for path in (settings.link.socket, settings.streams.socket, *controls) if path]


def _ports(settings: Settings) -> list[int]:
    """Every port that a part listens on."""
    front, turn = settings.front, settings.turn
    ports = [front.port, front.http_port]
    for bridge in settings.all_bridges.values():
        ports += [bridge.port, host_and_port(bridge.rest)[1]]
    ports += [turn.udp_port, turn.tcp_port, turn.tls_port, turn.relay_ports[0], settings.socks5.port]
    return [port for port in ports if port]


def _words_of_a_command(words: Iterable[str | Path]) -> str:
    """A command line in a unit (systemd.service(5)), variables kept from being replaced."""
    return " ".join(_word(word).replace("$", "$$") for word in words)


def _word(text: str | Path) -> str:
    """One word of a list in a unit (systemd.syntax(7)), specifiers kept from being replaced."""
    text = str(text).replace("%", "%%")
    if not text.isprintable():
        raise CommandError(f"{text!r} cannot stand in a unit")
    if not set(text) & set(" \t\"'\\;"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
