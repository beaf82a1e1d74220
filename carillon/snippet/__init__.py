"""`carillon snippet`: what to paste into the configuration of others, filled in from ours."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

from carillon import ejabberd, prosody
from carillon.command_line import CommandError, add_configuration, describe, settings_of
from carillon.settings import Settings
from carillon.snippet import systemd, web

SECRET = "this holds secrets: let only the XMPP server read the file that you put it into"

CLIENTS = 5222
"""Where an ejabberd that runs has its listener for clients, which asks for TLS."""


@dataclass(frozen=True)
class _Snippet:
    """One kind of snippet."""

    of: Callable[[Settings], str]
    """Makes the text. Raises SettingsError or CommandError."""
    remarks: Callable[[Settings], list[str]]
    """What to say beside it, on standard error."""


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the options of `carillon snippet` to its command line, and what runs it."""
    describe(
        parser,
        """Print what to paste into the configuration of an XMPP server, of a web server before the front, of
        systemd or of a Jitsi Meet, filled in for this configuration of carillon. The text says where it
        goes.""",
        "carillon snippet prosody --config /etc/carillon/carillon.toml",
    )
    parser.add_argument("kind", choices=tuple(_KINDS), help="for what")
    add_configuration(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    kind, settings = _KINDS[options.kind], settings_of(options)
    print(kind.of(settings), end="")
    for remark in kind.remarks(settings):
        print(f"carillon: {remark}", file=sys.stderr)
    return 0


def _ejabberd(settings: Settings) -> str:
    if settings.xmpp.c2s_port == CLIENTS:
        raise CommandError(
            f"xmpp.c2s_port is {CLIENTS}, where ejabberd listens for clients with TLS: set another one, like"
            " 5224, on which it listens for carillon's front alone"
        )
    return ejabberd.snippet(settings)


_KINDS = {
    "prosody": _Snippet(prosody.snippet, lambda _: [SECRET]),
    "ejabberd": _Snippet(_ejabberd, lambda _: [SECRET]),
    "nginx": _Snippet(web.nginx, web.remarks),
    "haproxy": _Snippet(web.haproxy, web.remarks),
    "systemd": _Snippet(systemd.unit, systemd.remarks),
    "jitsi-meet": _Snippet(web.jitsi_meet, lambda _: []),
}
