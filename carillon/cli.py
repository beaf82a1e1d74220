"""The command `carillon`: reads the command line, loads what it names, says errors in one line of words."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from carillon import __version__, part_process
from carillon.command_line import EXIT_CONFIGURATION, CommandError, add_configuration, describe, settings_of
from carillon.credentials import issue
from carillon.layout import bracketed
from carillon.part import PARTS, Part
from carillon.settings import FIRST_BRIDGE, Settings, SettingsError, read_secret

MAX_NAME_BYTES = 480
"""Of a name in credentials: with expiry and colon it must stay below the 513 bytes of a STUN USERNAME."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives its exit status: 2 for a wrong command line or configuration, 1 for failure."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parser_for(given).parse_args(given)
    return failing_in_words(lambda: options.run(options))


def failing_in_words(command: Callable[[], int]) -> int:
    """Run a command; an error that an operator can mend is said on standard error, without a traceback."""
    try:
        status = command()
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads what we print has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except SettingsError as error:
        return _fail(error, EXIT_CONFIGURATION)
    except CommandError as error:
        return _fail(error, error.status)
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


def parser_for(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """What reads `arguments`; of all commands, only the one that they name has its options."""
    parser = argparse.ArgumentParser(prog="carillon", allow_abbrev=False)
    describe(
        parser,
        """Meetings, calls and relays for an XMPP server that runs already: a conference focus, a media
        bridge, a TURN relay, a bytestream proxy and an HTTP front. `carillon COMMAND --help` says more of a
        command.""",
        "carillon dev",
        "carillon run --config /etc/carillon/carillon.toml",
    )
    parser.add_argument("--version", action="version", version=f"carillon {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked_for = next((word for word in arguments if not word.startswith("-")), None)
    for name, command in _COMMANDS.items():
        one = commands.add_parser(name, help=command.summary, allow_abbrev=False)
        if name == asked_for:
            _fill(one, command)
    return parser


def _fill(parser: argparse.ArgumentParser, command: _Command) -> None:
    describe(parser, f"{command.summary[0].upper()}{command.summary[1:]}.")  # unless the command says more
    command.add(parser)


def manual() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Name, summary and parser of `carillon` itself and of every command; this loads the modules of all."""
    yield "", "meetings, calls and relays for an XMPP server", parser_for(())
    for name, command in _COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"carillon {name}", allow_abbrev=False)
        _fill(parser, command)
        yield name, command.summary, parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        """Run the link, the component, the bridge, the relay and the front from one configuration, each as a
        process of its own, and start again what dies.

        SIGHUP has them read configuration and certificates again. SIGTERM ends them in order.""",
        "carillon run --config /etc/carillon/carillon.toml",
    )
    add_configuration(parser)
    # What `carillon upgrade` has a new version do before anything is replaced: see carillon.upgrading.
    parser.add_argument("--rehearse", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=_run)


def _add_part(name: str, parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        f"""Run {PARTS[name].summary} without the other parts: on a machine of its own, or under a supervisor
        of yours. It takes the same configuration as `carillon run` and reads what concerns it.""",
        f"carillon {name} --config /etc/carillon/carillon.toml",
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="take over the work of the process that runs now, if one does; it ends then",
    )
    if name == "bridge":
        parser.add_argument(
            "--name",
            metavar="NAME",
            default=FIRST_BRIDGE,
            help="run the bridge of [bridges.NAME] instead of that of [bridge]",
        )
    add_configuration(parser)
    parser.set_defaults(run=_part, part=name)


def _of_module(name: str) -> Callable[[argparse.ArgumentParser], None]:
    """By name, because such modules load much that no part has any use for."""
    return lambda parser: importlib.import_module(f"carillon.{name}").add_command(parser)


def _add_credentials(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        """Make a user name and a password with which a TURN client may use the relay until they expire, and
        print them with the addresses of the relay. Who has them counts as the user they name.""",
        "carillon credentials --config carillon.toml --user alice@example.org --ttl 600",
        "carillon credentials --config carillon.toml --user alice@example.org --json",
    )
    add_configuration(parser)
    parser.add_argument("--user", metavar="NAME", required=True, help="whom they are for, as a bare JID")
    parser.add_argument("--ttl", metavar="S", type=int, help="life in seconds (default: as configured)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_credentials)


_COMMANDS = {
    "run": _Command("run all parts from one configuration", _add_run),
    **{name: _Command(f"run {what.summary} alone", partial(_add_part, name)) for name, what in PARTS.items()},
    "dev": _Command("run everything, with a private XMPP server, to try it", _of_module("dev")),
    "cert": _Command("make, show or obtain the certificate", _of_module("cert")),
    "check": _Command("say in words what is wrong, and what to do", _of_module("check.command")),
    "rooms": _Command("list the meetings, or end one", _of_module("meetings.rooms")),
    "participants": _Command(
        "show who is in a meeting, mute or remove somebody", _of_module("meetings.participants")
    ),
    "journal": _Command("show and check what outlives the component", _of_module("journal.command")),
    "snippet": _Command("print what to paste into the configuration of others", _of_module("snippet")),
    "upgrade": _Command("replace the running parts by a newer version", _of_module("upgrade")),
    "health": _Command("ask the running parts whether they work", _of_module("health")),
    "man": _Command("print the manual pages", _of_module("man")),
    "credentials": _Command("issue credentials of the TURN relay", _add_credentials),
}


def _part(options: argparse.Namespace) -> int:
    name: str = options.part

    def make(settings: Settings) -> Part:
        made: Part = importlib.import_module(PARTS[name].module).make(settings)
        return made

    load = partial(_settings_of_part, options)
    return part_process.run(make, name, load, take_over=options.take_over)


def _settings_of_part(options: argparse.Namespace) -> Settings:
    settings = settings_of(options)
    if options.part != "bridge":
        return settings
    try:
        return settings.as_bridge(options.name)
    except KeyError:
        known = ", ".join(settings.all_bridges)
        raise SettingsError(f"--name {options.name}: no such bridge; there are {known}") from None


def _run(options: argparse.Namespace) -> int:
    run = importlib.import_module("carillon.run")
    load = partial(settings_of, options)
    if options.rehearse:
        rehearsed: int = run.rehearse(load)
        return rehearsed
    status: int = asyncio.run(run.run_parts(load, options.config, tuple(options.overrides)))
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
