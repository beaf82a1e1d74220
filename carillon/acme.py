"""A certificate from an ACME authority (RFC 8555): certbot does the work, in webroot mode.

certbot remembers how it was called and renews by itself; after each issue it runs the deploy hook given here,
which copies certificate and key to where the configuration names them and has the parts read them again.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carillon.command_line import CommandError
from carillon.control import listening_pid
from carillon.files import write_private
from carillon.settings import Settings
from carillon.tls import CertificateError, ServerTls

LINEAGE = "RENEWED_LINEAGE"
"""Environment variable in which certbot tells its hook the directory of the new files."""

CERTBOT = "certbot"


class AcmeError(CommandError):
    """No certificate was obtained or put into place; the text says why and what to do."""


@dataclass(frozen=True)
class Order:
    """What is asked of the authority."""

    names: tuple[str, ...]
    email: str
    server: str
    """Directory URL of the authority; "" = certbot's default."""
    certbot_directory: Path | None
    """Where certbot keeps what it knows; None = where it always does, which takes root."""


def obtain(order: Order, webroot: str, hook: Sequence[str]) -> None:
    """Have certbot get the certificate. `hook` is the command it runs now and after each renewal.

    Raises AcmeError.
    """
    certbot = shutil.which(CERTBOT)
    if certbot is None:
        raise AcmeError("certbot is not installed: install Debian's package certbot")
    Path(webroot).mkdir(parents=True, exist_ok=True)
    status = subprocess.run(
        (certbot, *certbot_arguments(order, webroot, hook)), stdin=subprocess.DEVNULL, check=False
    ).returncode
    if status:
        raise AcmeError(
            f"certbot ended with status {status}; what it says is above. The authority must reach "
            f"http://{order.names[0]}/.well-known/acme-challenge/ on port 80 (front.http_port)"
        )


def certbot_arguments(order: Order, webroot: str, hook: Sequence[str]) -> tuple[str, ...]:
    """certbot's command line."""
    words = ["certonly", "--non-interactive", "--agree-tos", "--email", order.email]
    words += ["--webroot", "--webroot-path", webroot, "--deploy-hook", shlex.join(hook)]
    words += ["--cert-name", order.names[0]]
    for name in order.names:
        words += ["--domain", name]
    if order.server:
        words += ["--server", order.server]
    if order.certbot_directory:
        for option, folder in (("--config-dir", "config"), ("--work-dir", "work"), ("--logs-dir", "logs")):
            words += [option, str(order.certbot_directory / folder)]
    return tuple(words)


def hook_command(config: Path, overrides: Sequence[str]) -> tuple[str, ...]:
    """The deploy hook for one configuration."""
    sets = (word for override in overrides for word in ("--set", override))
    return (sys.executable, "-m", "carillon", "cert", "deploy", "--config", str(config), *sets)


def deploy(certificate: Path, key: Path, environment: Mapping[str, str]) -> None:
    """Put certbot's new files into place. Raises AcmeError when they cannot be used; the old ones stay."""
    if not environment.get(LINEAGE):
        raise AcmeError(f"{LINEAGE} is not set: this command is what certbot runs after a renewal")
    lineage = Path(environment[LINEAGE])
    chain, private = lineage / "fullchain.pem", lineage / "privkey.pem"
    try:
        ServerTls(str(chain), str(private), ())
        for source, target in ((private, key), (chain, certificate)):
            if not (target.exists() and target.samefile(source)):
                _copy(source, target)
    except CertificateError as error:
        raise AcmeError(str(error)) from error
    except OSError as error:
        raise AcmeError(f"{error.filename or lineage}: {error.strerror}") from error


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(target, source.read_text(encoding="ascii"))
    if os.geteuid() == 0:  # certbot runs as root, carillon seldom: its directory says who it is
        owner = target.parent.stat()
        os.chown(target, owner.st_uid, owner.st_gid)


def reload_running(settings: Settings) -> int:
    """Have the running front and relay of this configuration read their files again; how many there were."""
    pids = {
        pid
        for path in (settings.front.control, settings.turn.control)
        if path and (pid := listening_pid(path))
    }
    for pid in pids:
        try:
            os.kill(pid, signal.SIGHUP)
        except PermissionError as error:
            raise AcmeError(f"process {pid} belongs to somebody else: send it SIGHUP yourself") from error
    return len(pids)
