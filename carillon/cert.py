"""`carillon cert`: makes, shows and obtains the certificate of the front and of TURN over TLS."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from carillon import acme, certificate
from carillon.acme import Order
from carillon.command_line import EXIT_STATUSES, add_configuration, describe, settings_of
from carillon.settings import Settings, SettingsError
from carillon.tls import CertificateError, ServerTls

NAMES = ("certificate.pem", "key.pem")
"""What `--out` gets."""


def add_command(parser: argparse.ArgumentParser) -> None:
    """Add the commands below `carillon cert` to its command line."""
    describe(
        parser,
        """Make, show or obtain the certificate with which the front speaks HTTPS and the relay TURN over TLS:
        the two files that `front.certificate` and `front.key` name.""",
        "carillon cert self-signed --name meet.example.org --config carillon.toml",
        "carillon cert show --config carillon.toml",
        "carillon cert acme --name meet.example.org --email you@example.org --config carillon.toml",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    own = commands.add_parser("self-signed", help="make a self-signed certificate", allow_abbrev=False)
    describe(own, "Make a self-signed certificate and its key, which browsers warn of: to try things with.")
    _add_names(own)
    add_configuration(own)
    own.add_argument("--out", metavar="DIR", type=Path, help="write here, not where the configuration says")
    own.set_defaults(run=_self_signed)

    show = commands.add_parser(
        "show", help="say what a certificate is for, and until when", allow_abbrev=False
    )
    describe(
        show,
        "Say for which names a certificate is, who has signed it and when it expires.",
        statuses=EXIT_STATUSES | {1: "it is expired, or the key does not belong to it"},
    )
    show.add_argument("file", metavar="FILE", type=Path, nargs="?", help="default: the configured ones")
    add_configuration(show)
    show.set_defaults(run=_show)

    order = commands.add_parser(
        "acme", help="have certbot get a certificate, and renew it from then on", allow_abbrev=False
    )
    describe(
        order,
        """Have certbot get a certificate from an ACME authority, put it in place, and renew it from then on.
        The running front answers the authority's questions on `front.http_port`.""",
    )
    _add_names(order)
    order.add_argument("--email", metavar="ADDRESS", required=True, help="where the authority writes to")
    order.add_argument("--server", metavar="URL", default="", help="the authority's directory")
    order.add_argument(
        "--certbot-dir",
        metavar="DIR",
        type=Path,
        help="where certbot keeps its files, if it is not run as root",
    )
    add_configuration(order)
    order.set_defaults(run=_acme)

    deploy = commands.add_parser("deploy", help="what certbot runs after a renewal", allow_abbrev=False)
    describe(
        deploy,
        """Put the certificate that certbot has just got ($RENEWED_LINEAGE) where the configuration wants it,
        and have the running front and relay read it: certbot runs this as its deploy hook.""",
    )
    add_configuration(deploy)
    deploy.set_defaults(run=_deploy)


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", metavar="HOST", nargs="+", required=True, help="host names it is for")


def configured_pair(settings: Settings) -> tuple[Path, Path]:
    """The files of certificate and key that front and relay share. Raises SettingsError."""
    pairs = _pairs(settings)
    if not pairs:
        raise SettingsError(
            f"{settings.path} names no certificate: set front.certificate and front.key to the files to write"
        )
    if len(pairs) > 1:
        raise SettingsError(
            f"{settings.path} names one certificate for the front and another for TURN: they must be the same"
        )
    return pairs[0]


def _pairs(settings: Settings) -> list[tuple[Path, Path]]:
    sections = (settings.front, settings.turn)
    pairs = dict.fromkeys((section.certificate, section.key) for section in sections if section.certificate)
    return [(Path(found), Path(key)) for found, key in pairs]


def _self_signed(options: argparse.Namespace) -> int:
    if options.out:
        pem, key = (options.out / name for name in NAMES)
    else:
        pem, key = configured_pair(settings_of(options))
    for file in (pem, key):
        if file.exists():
            raise SettingsError(f"{file} exists already: remove it first if it is of no use")
    try:
        certificate.make_self_signed(pem, key, options.name)
    except ValueError as error:
        raise SettingsError(f"--name: {error}") from error
    except OSError as error:
        raise SettingsError(f"{error.filename or pem}: {error.strerror}") from error
    print(f"certificate: {pem}", f"key:         {key}", sep="\n")
    return 0


def _show(options: argparse.Namespace) -> int:
    if options.file:
        return 0 if _show_one(options.file, None) else 1
    settings = settings_of(options)
    if not (pairs := _pairs(settings)):
        raise SettingsError(f"{settings.path} names no certificate")
    good = [_show_one(pem, key) for pem, key in pairs]
    return 0 if all(good) else 1


def _show_one(file: Path, key: Path | None) -> bool:
    """Print what there is to know; whether the certificate can be used now."""
    found = certificate.facts(file)
    left = found.expires - datetime.now(UTC)
    good = left.total_seconds() > 0
    lines = [
        f"file:    {file}",
        f"names:   {', '.join(found.names)}",
        f"issuer:  {'itself (self-signed)' if found.self_signed else found.issuer}",
        f"expires: {found.expires:%Y-%m-%d %H:%M} UTC, {f'{left.days} days left' if good else 'EXPIRED'}",
    ]
    if key:
        try:
            ServerTls(str(file), str(key), ())
        except CertificateError as error:
            good = False
            lines.append(f"key:     UNUSABLE: {error}")
        else:
            lines.append(f"key:     {key}")
    print(*lines, sep="\n")
    return good


def _acme(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    configured_pair(settings)
    if not settings.front.acme_webroot:
        raise SettingsError("front.acme_webroot is not set: the authority's questions would not be answered")
    kept = options.certbot_dir.absolute() if options.certbot_dir else None
    order = Order(tuple(options.name), options.email, options.server, kept)
    hook = acme.hook_command(settings.path, options.overrides)
    acme.obtain(order, settings.front.acme_webroot, hook)
    return 0


def _deploy(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    acme.deploy(*configured_pair(settings), os.environ)
    print(f"certificate in place; {acme.reload_running(settings)} running parts told")
    return 0
