"""nginx and HAProxy before a front, as the printed snippets have it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from carillon.certificate import make_self_signed
from carillon.settings import Settings

HAPROXY_OF_DEBIAN = Path("/etc/haproxy/haproxy.cfg")
"""As the package brings it; the snippet comes at its end."""


def _nginx(snippet: str, directory: Path, host: str) -> tuple[str, ...]:
    ours = snippet
    for name, file in (("fullchain", directory / "a.pem"), ("privkey", directory / "a.key")):
        ours = ours.replace(f"/etc/letsencrypt/live/{host}/{name}.pem", str(file))
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    config = directory / "nginx.conf"
    config.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {directory}/pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{ours}\n}}\n"
    )
    return "nginx", "-p", str(directory), "-e", "stderr", "-c", str(config)


def _haproxy(snippet: str, directory: Path, host: str) -> tuple[str, ...]:
    both = directory / "both.pem"
    both.write_text("".join((directory / name).read_text() for name in ("a.pem", "a.key")))
    # A service's own: its log, its user, its place in the system.
    own = r"(?m)^\s*(log /dev|chroot|stats|user|group|daemon).*\n"
    debian = re.sub(own, "", HAPROXY_OF_DEBIAN.read_text())
    config = directory / "haproxy.cfg"
    config.write_text(debian + snippet.replace(f"/etc/haproxy/certs/{host}.pem", str(both)))
    return "haproxy", "-db", "-f", str(config)


PROXIES: dict[str, Callable[[str, Path, str], tuple[str, ...]]] = {"nginx": _nginx, "haproxy": _haproxy}
"""Each writes a whole configuration around a snippet, and gives the command line."""


@contextmanager
def running(kind: str, directory: Path, configured: Settings) -> Iterator[Path]:
    """Have the proxy of this kind at `front.public_url`, and its certificate, with which it begins."""
    url = urlsplit(configured.front.public_url)
    assert url.hostname and url.port
    argv = (sys.executable, "-m", "carillon", "snippet", kind, "--config", str(configured.path))
    snippet = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    certificate = directory / "a.pem"
    make_self_signed(certificate, directory / "a.key", (url.hostname,))
    program, *options = PROXIES[kind](snippet, directory, url.hostname)
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    assert path, f"{program} is missing: see setup.sh"
    output = directory / "proxy.out"
    with output.open("wb") as file, subprocess.Popen((path, *options), stdout=file, stderr=file) as process:
        try:
            deadline = time.monotonic() + 20
            while not _listens(url.port):
                assert process.poll() is None and time.monotonic() < deadline, output.read_text()
                time.sleep(0.05)
            yield certificate
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
