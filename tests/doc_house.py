"""Where the commands of the documentation are run: a machine of directories, beside a deployment that runs.

Paths below /etc, /opt, /usr/local and /var are led into a scratch directory. Programs that would change this
machine are replaced by stand-ins (STAND_INS), each of which checks its arguments and does what can be done.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from carillon import toml
from carillon.certificate import make_self_signed
from tests.dev_server import DevServer
from tests.doc_pages import ROOT, programs
from tests.doc_stand_ins import put_environment

AS_THEY_ARE = frozenset({"cat", "chmod", "curl", "diff", "install", "ln", "openssl", "rm", "umask"})
"""Programs that are run as the page says."""

STAND_INS = frozenset(
    {
        *("adduser", "apt-get", "carillon", "chgrp", "chown", "git", "make", "pip", "prosodyctl", "python3"),
        *("podman", "systemctl"),
    }
)
"""Programs that tests/doc_stand_ins.py is run for."""

_PATHS = re.compile(r"(?<![\w./:-])/(?=(?:etc|opt|usr/local|var)/)")
_PLACEHOLDERS = {"<this repository>": str(ROOT)}
_TIMEOUT_S = 60


class House:
    """See the module. It is for one page, whose TOML blocks make its carillon.toml one after the other."""

    def __init__(self, directory: Path, deployment: DevServer) -> None:
        self.root = directory / "root"
        self.home = directory / "home"
        self._table: dict[str, dict[str, Any]] = {}
        self._bin = directory / "bin"
        put_environment(self.root / "opt" / "carillon", self._bin)
        for new in (self.home, self._bin, self.root / "usr/local/bin", self.root / "var"):
            new.mkdir(parents=True)
        for path in ("carillon", "systemd/system", "prosody/conf.d", "ejabberd", "nginx/conf.d", "haproxy"):
            (self.root / "etc" / path).mkdir(parents=True)
        self.units = self.root / "etc" / "systemd" / "system"
        (self.home / "carillon").symlink_to(ROOT)  # the checkout, which pages clone or have
        self.config = self.root / "etc" / "carillon" / "carillon.toml"
        self.config.touch()
        (self.config.parent / "run").symlink_to(deployment.directory / "run")
        (self.root / "etc/prosody/conf.d/carillon.cfg.lua").write_text("-- of the version before\n")
        self._secrets()
        lineage = self.home.with_name("lineage")
        lineage.mkdir()
        make_self_signed(lineage / "fullchain.pem", lineage / "privkey.pem", ["meet.example.org"])
        for name in STAND_INS:
            self.stand_in(self._bin / name, name)
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("CARILLON_")},
            "PATH": f"{self._bin}:{self.root}/usr/local/bin:{os.environ['PATH']}",
            "HOUSE": str(self.root),
            "HOUSE_DEPLOYMENT": str(deployment.directory / "carillon.toml"),
            "CARILLON_CONFIG": str(self.config),
            "RENEWED_LINEAGE": str(lineage),
        }

    def _secrets(self) -> None:
        for name in ("component", "turn", "pin"):
            file = self.config.parent / "secrets" / name
            file.parent.mkdir(exist_ok=True)
            file.write_text("1234\n")
            file.chmod(stat.S_IRUSR | stat.S_IWUSR)

    def stand_in(self, path: Path, name: str) -> None:
        """Put a stand-in for the program `name` there."""
        command = shlex.join([sys.executable, str(ROOT / "tests" / "doc_stand_ins.py"), name])
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)

    def configure(self, text: str) -> str:
        """Add a TOML block of the page to the configuration; gives all that it holds now."""
        document = tomllib.loads(text)
        bridges = {f"bridges.{name}": one for name, one in document.pop("bridges", {}).items()}
        for section, settings in {**document, **bridges}.items():
            self._table.setdefault(section, {}).update(settings)
        whole = toml.dumps(self._table)
        self.config.write_text(whole)
        return whole

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command line of a page. Raises KeyError for a program that there is no rule for."""
        for program in programs(command):
            name = Path(program).name
            if name not in AS_THEY_ARE | STAND_INS:
                raise KeyError(f"no rule for {name}: see {__name__}")
        for placeholder, text in _PLACEHOLDERS.items():
            command = command.replace(placeholder, shlex.quote(text))
        command = _PATHS.sub(f"{self.root}/", command)
        bash = shutil.which("bash") or "bash"
        return subprocess.run(
            [bash, "-euo", "pipefail", "-c", command],
            cwd=self.home,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
