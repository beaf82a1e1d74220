"""Two versions of carillon on one disk, and a link `current` that leads to the one or the other.

disk = TwoVersions(tmp_path)
with DevServer(tmp_path / "dev", command=disk.command("dev")) as server:
    disk.install(NEW)
    disk.upgrade(server.endpoints["config"])
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("bosh", "bridge", "carillon", "component", "jingle", "prosody-config", "relay")
OLD, NEW = "0.0.1", "0.0.2"


class TwoVersions:
    """Copies of this checkout that call themselves OLD and NEW; OLD is installed at first."""

    def __init__(self, directory: Path) -> None:
        self.current = directory / "current"
        self._versions = {version: directory / version for version in (OLD, NEW)}
        for version, place in self._versions.items():
            for package in PACKAGES:
                shutil.copytree(CHECKOUT / package, place / package)
            file = place / "carillon" / "__init__.py"
            file.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', file.read_text()))
        self.install(OLD)

    def file(self, version: str, name: str) -> Path:
        """A file of one of them, to do damage to it."""
        return self._versions[version] / name

    def install(self, version: str) -> None:
        """Have the link lead there from now on."""
        fresh = self.current.with_name("fresh")
        fresh.symlink_to(self._versions[version])
        fresh.replace(self.current)

    def environment(self) -> dict[str, str]:
        """What has a Python take carillon from there, wherever it is started."""
        return {"PYTHONPATH": str(self.current), "PYTHONSAFEPATH": "1"}

    def command(self, *words: str) -> tuple[str, ...]:
        """A command of what is installed."""
        variables = (f"{name}={value}" for name, value in self.environment().items())
        return ("env", *variables, sys.executable, "-m", "carillon", *words)

    def upgrade(self, config: str, *words: str) -> subprocess.CompletedProcess[str]:
        """`carillon upgrade`, and what it said."""
        return subprocess.run(
            self.command("upgrade", "--config", config, *words),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            env=dict(os.environ),
        )
