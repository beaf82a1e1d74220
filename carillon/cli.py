"""The command `carillon`: reads the command line, loads what it names, says errors in one line of words."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from carillon import __version__, part
from carillon.command_line import CommandError, add_configuration, settings_of
from carillon.credentials import issue
from carillon.layout import bracketed
from carillon.part import PARTS
from carillon.settings import SettingsError, read_secret

MAX_NAME_BYTES = 480
"""Of a name in credentials: with expiry and colon it must stay below the 513 bytes of a STUN USERNAME."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status: 2 for a wrong command line or configuration, 1 for failure."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(given).parse_args(given)
    return failing_in_words(lambda: options.run(options))


def failing_in_words(command: Callable[[], int]) -> int:
    """Run a command; an error that an operator can mend is said on standard error, without a traceback."""
    try:
        return command()
    except SettingsError as error:
        return _fail(error, 2)
    except CommandError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:  # before the event loop took over the signal
        return 128 + signal.SIGINT


def _fail(error: Exception, status: int) -> int:
    print(f"carillon: {error}", file=sys.stderr)
    return status


@dataclass(frozen=True)
class _Command:
    summary: str
    add: Callable[[argparse.ArgumentParser], None]
    """Adds the options and what runs the command. Only called for the command that is asked for."""


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="carillon", description="Meetings, calls and relays for an XMPP server.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"carillon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked_for = next((word for word in arguments if not word.startswith("-")), None)
    for name, command in _COMMANDS.items():
        one = commands.add_parser(name, help=command.summary, allow_abbrev=False)
        if name == asked_for:
            command.add(one)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    add_configuration(parser)
    parser.set_defaults(run=_run)


def _add_part(name: str, parser: argparse.ArgumentParser) -> None:
    add_configuration(parser)
    parser.set_defaults(run=_part, part=name)


def _add_of_module(module: str, parser: argparse.ArgumentParser) -> None:
    """By name, because such modules load much that no part has any use for."""
    importlib.import_module(module).add_command(parser)


def _add_credentials(parser: argparse.ArgumentParser) -> None:
    add_configuration(parser)
    parser.add_argument("--user", metavar="NAME", required=True, help="whom they are for, as a bare JID")
    parser.add_argument("--ttl", metavar="S", type=int, help="life in seconds (default: as configured)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_credentials)


_COMMANDS = {
    "run": _Command("run all parts from one configuration", _add_run),
    **{name: _Command(f"run {what.summary} alone", partial(_add_part, name)) for name, what in PARTS.items()},
    "dev": _Command(
        "run everything, with a private XMPP server, to try it", partial(_add_of_module, "carillon.dev")
    ),
    "cert": _Command("make, show or obtain the certificate", partial(_add_of_module, "carillon.cert")),
    "credentials": _Command("issue credentials of the TURN relay", _add_credentials),
}


def _part(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    module = importlib.import_module(PARTS[options.part].module)
    return part.run(module.make, options.part, settings)


def _run(options: argparse.Namespace) -> int:
    supervisor = importlib.import_module("carillon.supervisor")
    status: int = asyncio.run(supervisor.run_parts(settings_of(options), tuple(options.overrides)))
    return status


def _credentials(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    turn = settings.turn
    ttl_s = turn.credential_ttl_s if options.ttl is None else options.ttl
    if not 1 <= ttl_s <= turn.max_credential_ttl_s:
        raise SettingsError(
            f"--ttl must be between 1 and {turn.max_credential_ttl_s} (turn.max_credential_ttl_s)"
        )
    if not options.user or not options.user.isprintable() or len(options.user.encode()) > MAX_NAME_BYTES:
        raise SettingsError(f"--user must be a name of 1 to {MAX_NAME_BYTES} printable bytes")
    credential = issue(read_secret(turn.secret_file), options.user, ttl_s, time.time())
    host = bracketed(turn.advertise)
    ports = {"udp": turn.udp_port, "tcp": turn.tcp_port}
    uris = [f"turn:{host}:{port}?transport={transport}" for transport, port in ports.items()]
    if turn.tls_port:
        uris.append(f"turns:{bracketed(turn.tls_host)}:{turn.tls_port}?transport=tcp")
    if options.json:
        fields = {"username": credential.username, "password": credential.password, "ttl": credential.ttl}
        print(json.dumps({**fields, "uris": uris}))
    else:
        print(f"username: {credential.username}", f"password: {credential.password}", *uris, sep="\n")
    return 0
