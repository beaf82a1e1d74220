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
from pathlib import Path

from carillon import __version__, cert, dev, part
from carillon.credentials import issue
from carillon.layout import bracketed
from carillon.part import PARTS
from carillon.prosody import ProsodyError
from carillon.settings import Settings, SettingsError, load, read_secret
from carillon.supervisor import SupervisorError, run_parts

MAX_NAME_BYTES = 480
"""Of a name in credentials: with expiry and colon it must stay below the 513 bytes of a STUN USERNAME."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status: 2 for a wrong command line or configuration, 1 for failure."""
    options = _parser().parse_args(arguments)
    return failing_in_words(lambda: options.run(options))


def failing_in_words(command: Callable[[], int]) -> int:
    """Run a command; an error that an operator can mend is said on standard error, without a traceback."""
    try:
        return command()
    except SettingsError as error:
        return _fail(error, 2)
    except (SupervisorError, ProsodyError, dev.DevError, *cert.ERRORS) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:  # before the event loop took over the signal
        return 128 + signal.SIGINT


def _fail(error: Exception, status: int) -> int:
    print(f"carillon: {error}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="carillon", description="Meetings, calls and relays for an XMPP server.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"carillon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run all parts from one configuration", allow_abbrev=False)
    _add_configuration(run)
    run.set_defaults(run=_run)
    for name, what in PARTS.items():
        one = commands.add_parser(name, help=f"run {what.summary} alone", allow_abbrev=False)
        _add_configuration(one)
        one.set_defaults(run=_part, part=name)

    development = commands.add_parser(
        "dev", help="run everything, with a private Prosody, to try it", allow_abbrev=False
    )
    dev.add_options(development)
    _add_overrides(development)
    development.set_defaults(run=_dev)

    certificates = commands.add_parser(
        "cert", help="make, show or obtain the certificate", allow_abbrev=False
    )
    cert.add_commands(certificates, _add_optional_configuration)

    credentials = commands.add_parser(
        "credentials", help="issue credentials of the TURN relay", allow_abbrev=False
    )
    _add_configuration(credentials)
    credentials.add_argument("--user", metavar="NAME", required=True, help="whom they are for, as a bare JID")
    credentials.add_argument("--ttl", metavar="S", type=int, help="life in seconds (default: as configured)")
    credentials.add_argument("--json", action="store_true", help="print one JSON object")
    credentials.set_defaults(run=_credentials)
    return parser


def _add_configuration(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, required=required, help="the configuration")
    _add_overrides(parser)


def _add_optional_configuration(parser: argparse.ArgumentParser) -> None:
    _add_configuration(parser, required=False)


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        metavar="section.key=VALUE",
        dest="overrides",
        action="append",
        default=[],
        help="override a setting; VALUE is TOML, so that a text needs quotes (repeatable)",
    )


def _settings(options: argparse.Namespace) -> Settings:
    return load(options.config, tuple(options.overrides))


def _part(options: argparse.Namespace) -> int:
    settings = _settings(options)
    module = importlib.import_module(PARTS[options.part].module)
    return part.run(module.make, options.part, settings)


def _run(options: argparse.Namespace) -> int:
    return asyncio.run(run_parts(_settings(options), tuple(options.overrides)))


def _dev(options: argparse.Namespace) -> int:
    return dev.run(dev.options_of(options))


def _credentials(options: argparse.Namespace) -> int:
    settings = _settings(options)
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
