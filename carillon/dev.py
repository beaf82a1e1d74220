"""`carillon dev`: a private XMPP server and every part of carillon, from one command, in one directory."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from carillon import certificate, endpoints, layout, log
from carillon.command_line import CommandError, add_overrides, describe
from carillon.control import MAX_SOCKET_PATH, Control
from carillon.ejabberd import Ejabberd
from carillon.files import write_private
from carillon.layout import LOOPBACK, Options
from carillon.part import parts_of
from carillon.part_program import command, part_argv, part_program, this_program
from carillon.prosody import Prosody
from carillon.run import run_until_signalled
from carillon.settings import Settings, SettingsError, override_values
from carillon.settings.environment import variables
from carillon.settings.source import is_bridge
from carillon.supervisor import Supervisor
from carillon.upgrading import Upgrading
from carillon.xmpp_server import XmppServer

logger = structlog.get_logger()

Argv = Callable[[str, Path], tuple[str, ...]]
"""The command line of a part, by its name and the configuration."""

SERVERS: dict[str, Callable[[Path, Settings], XmppServer]] = {"prosody": Prosody, "ejabberd": Ejabberd}
"""The private XMPP servers there are, by name; each is made of its directory and the settings."""

ENDPOINTS = "endpoints.json"

LONGEST_SOCKET_NAME = len("/component.sock")


class DevError(CommandError):
    """`carillon dev` cannot go on; the text says why and what to do."""


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the options of `carillon dev` to its command line, and what runs it."""
    describe(
        parser,
        """Run everything, with a private XMPP server beside it, to try it. All that it needs and keeps is in
        one directory, and Ctrl-C stops all of it. It prints the address to open.""",
        "carillon dev",
        "carillon dev --base-port 9000 --user alice:secret",
        "carillon dev --server ejabberd --address 192.0.2.10 --http-address 192.0.2.10",
    )
    add = parser.add_argument
    add("--dir", type=Path, default=Path(".carillon"), help="where everything is kept (default: .carillon)")
    add("--domain", metavar="D", default="localhost", help="XMPP domain of the accounts (default: localhost)")
    add(
        "--base-port",
        metavar="N",
        type=int,
        default=8080,
        help=f"HTTP is on N (default: 8080), everything else on ports up to N+{layout.LAST_PORT}",
    )
    add(
        "--address",
        metavar="A",
        default=LOOPBACK,
        help=f"IP address where media and TURN listen and that clients are told (default: {LOOPBACK})",
    )
    add(
        "--http-address",
        metavar="A",
        default=LOOPBACK,
        help=f"IP address of the pages (default: {LOOPBACK}); HTTPS unless it is loopback",
    )
    add(
        "--server",
        choices=tuple(SERVERS),
        default=Options.server,
        help=f"the XMPP server to run (default: {Options.server})",
    )
    add("--user", metavar="name:password", action="append", default=[], help="have this account (repeatable)")
    add_overrides(parser)
    parser.set_defaults(run=lambda arguments: run(options_of(arguments)))


def options_of(arguments: argparse.Namespace) -> Options:
    """The options as typed values. Raises SettingsError."""
    return Options(
        directory=arguments.dir.absolute(),
        domain=arguments.domain,
        base_port=arguments.base_port,
        address=arguments.address,
        http_address=arguments.http_address,
        server=arguments.server,
        users=tuple(_account(text) for text in arguments.user),
        overrides=tuple(arguments.overrides),
    )


def _account(text: str) -> tuple[str, str]:
    name, _, password = text.partition(":")
    if (
        not name
        or not password
        or not text.isprintable()
        or set(name) & set(" \"&'/:<>@")
        or name != name.lower()
    ):
        raise SettingsError(
            "--user must be name:password, the name in lower case and without \" & ' / : < > @"
        )
    return name, password


def run(options: Options, argv: Argv = part_argv) -> int:
    """Run everything until SIGINT or SIGTERM.

    Raises DevError, SettingsError, SupervisorError or XmppServerError.
    """
    try:
        return _run(options, argv)
    except OSError as error:
        raise DevError(f"{error.filename or options.directory}: {error.strerror or error}") from error


def _run(options: Options, argv: Argv) -> int:
    directory = options.directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    named = override_values(options.overrides)
    bridges = [section.partition(".")[2] for section in named if is_bridge(section)]
    with _lock(directory), _sockets(directory, bridges) as sockets:
        (directory / ENDPOINTS).unlink(missing_ok=True)  # left by one that was killed
        settings = _prepare(options, sockets)
        log.set_up(settings.log, "dev")
        _forget_environment()
        server = SERVERS[options.server](directory / options.server, settings)
        server.configure()
        for name, password in options.users:
            server.put_account(name, password)
        return asyncio.run(_supervise(options, settings, server, argv))


def _forget_environment() -> None:
    """Take the settings out of the environment, which the parts inherit: the options say what runs here."""
    names = variables(os.environ)
    for name in names:
        del os.environ[name]
    if names:
        logger.warning("the settings of the environment are ignored: use --set", variables=" ".join(names))


def _prepare(options: Options, sockets: Path) -> Settings:
    """Write the configuration and have the secrets and the certificate that it names."""
    directory = options.directory
    path = directory / "carillon.toml"
    text, settings = layout.settings(options, path, sockets)
    obstacles = [why for listener in layout.listeners(settings) if (why := layout.obstacle(listener))]
    if obstacles:
        raise DevError("\n".join([*obstacles, "choose other ports with --base-port"]))
    write_private(path, text)
    for file in (settings.xmpp.secret_file, settings.turn.secret_file):
        _ensure_secret(file)
    own, own_key = directory / layout.CERTIFICATE, directory / layout.KEY
    if str(own) in (settings.front.certificate, settings.turn.certificate):
        hosts = (options.http_host, settings.turn.tls_host)
        certificate.ensure(own, own_key, tuple(dict.fromkeys(("localhost", LOOPBACK, *hosts))))
    return settings


async def _supervise(options: Options, settings: Settings, server: XmppServer, argv: Argv) -> int:
    file = options.directory / ENDPOINTS
    xmpp = server.program()
    parts = [
        part_program(name, settings, argv(name, settings.path), after=(xmpp.name,))
        for name in parts_of(settings)
    ]
    announced = False

    def ready(pids: dict[str, int]) -> None:
        nonlocal announced
        endpoints.write(file, settings, pids)
        if not announced:
            _announce(options, settings)
            announced = True

    supervisor = Supervisor([xmpp, *parts], ready, drain_s=settings.operation.drain_s)
    upgrading = Upgrading(lambda: settings, supervisor, this_program(), command("run", settings.path))
    control = Control(settings.operation.control, lambda: None, upgrading.routes())
    try:
        await control.start()
        await run_until_signalled(supervisor)
    finally:
        await control.stop()
        file.unlink(missing_ok=True)
    return 0


def _announce(options: Options, settings: Settings) -> None:
    lines = [
        "",
        f"  Meet at   {settings.front.public_url}/meeting   (any word after the slash is a room)",
        f"  Accounts  on {settings.xmpp.domain}; guests need none",
        f"  All of it {options.directory} (endpoints.json says where everything is)",
        "  Ctrl-C stops everything.",
        "",
    ]
    if options.https:
        lines.insert(
            2, "            The certificate is self-signed: the browser asks once whether you trust it."
        )
    print("\n".join(lines), flush=True)


def _ensure_secret(path: Path) -> None:
    """Make a secret unless there is one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        write_private(path, secrets.token_hex(32) + "\n")


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """Keep a second `carillon dev` out of the directory."""
    with (directory / "lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DevError(f"another carillon dev (pid {file.read(20)}) runs in {directory}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextmanager
def _sockets(directory: Path, bridges: Iterable[str]) -> Iterator[Path]:
    """A directory for the control sockets: `run` in `directory`, or a short one if that path is too long.

    `bridges` are the names of further bridges.
    """
    own = directory / "run"
    longest = max([LONGEST_SOCKET_NAME, *(len(f"/bridge-{name}.sock") for name in bridges)])
    if len(os.fsencode(own)) + longest <= MAX_SOCKET_PATH:
        yield own
        return
    short = Path(tempfile.mkdtemp(prefix="carillon-"))
    try:
        yield short
    finally:
        shutil.rmtree(short, ignore_errors=True)
