"""What stands in for programs that would change the machine on which the documentation is tested.

Run as `doc_stand_ins.py PROGRAM ARGUMENT...` by tests/doc_house.py. Each ends with status 0 if the program
would have been given something sensible, and otherwise says what is wrong.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOUSE = Path(os.environ.get("HOUSE", "/nonexistent"))
UNITS = HOUSE / "etc" / "systemd" / "system"

OF_PACKAGES = {"prosody", "ejabberd", "nginx", "haproxy"}
"""Services that come with Debian's packages, and users of the same names."""
PACKAGES = {
    "git",
    "make",
    "nodejs",
    "npm",
    "certbot",
    "prosody",
    "python3-venv",
    "libopus0",
    "prosody-modules",
}
OPERATING = {"rooms", "participants", "check", "health", "journal", "credentials"}
"""Commands for a deployment that runs."""
STAYING = {"run", "link", "component", "bridge", "relay", "streams", "front", "dev", "upgrade"}
"""Commands that do not end by themselves, or replace what others use: their command line is parsed."""


def main(program: str, *arguments: str) -> int:
    """Do what stands in for the program."""
    return {
        "adduser": adduser,
        "apt-get": apt_get,
        "carillon": carillon,
        "chgrp": owner,
        "chown": owner,
        "git": git,
        "make": make,
        "pip": pip,
        "podman": podman,
        "prosodyctl": prosodyctl,
        "python3": python3,
        "systemctl": systemctl,
    }[program](*arguments)


def _refused(what: str) -> int:
    print(what, file=sys.stderr)
    return 1


def _run(*command: str | Path, **environment: str) -> int:
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def carillon(*arguments: str) -> int:
    """The command itself, for the page's configuration or for the deployment that runs."""
    command = arguments[0]
    if command in STAYING or arguments[:2] == ("cert", "acme"):
        code = "import sys; from carillon import cli; cli.parser_for(sys.argv[1:]).parse_args(sys.argv[1:])"
        return _run(sys.executable, "-P", "-c", code, *arguments)
    program = Path(sys.executable).with_name("carillon")
    if command not in OPERATING:
        return _run(program, *arguments)
    config = Path(os.environ["HOUSE_DEPLOYMENT"])
    asked = config.with_name(f"asked-{hash_of(arguments)}")  # several pages ask the same: once is enough
    status = 0 if asked.exists() else _run(program, *arguments, CARILLON_CONFIG=str(config))
    if status == 0:
        asked.touch()
    return status


def hash_of(arguments: tuple[str, ...]) -> str:
    """A name for a command line."""
    return hashlib.sha256("\0".join(arguments).encode()).hexdigest()[:16]


def systemctl(*arguments: str) -> int:
    """Units must be there and good; the verbs are those that pages use."""
    verb, *rest = (one for one in arguments if one not in ("--now", "--quiet"))
    if verb == "daemon-reload":
        units = [path for path in UNITS.iterdir() if path.suffix in (".service", ".socket")]
        return _run("systemd-analyze", "verify", "--man=no", *units) if units else 0
    if verb not in {"enable", "disable", "start", "stop", "restart", "reload", "status"}:
        return _refused(f"systemctl {verb}: no such verb here")
    for unit in rest:
        template = f"{unit.partition('@')[0]}@.service"
        names = (UNITS / unit, UNITS / f"{unit}.service", UNITS / template)
        there = unit in OF_PACKAGES or (unit == "carillon" and verb != "enable")
        if not there and not any(name.exists() for name in names):
            return _refused(f"systemctl {verb}: no unit {unit}")
    return 0


def apt_get(*arguments: str) -> int:
    """Only packages that are known to be Debian's."""
    verb, *packages = (one for one in arguments if not one.startswith("-"))
    unknown = set(packages) - PACKAGES
    return _refused(f"apt-get {verb} {unknown}") if verb != "install" or unknown else 0


def adduser(*arguments: str) -> int:
    """A system user."""
    known = {"--system", "--group", "--no-create-home"}
    unknown = [one for one in arguments[:-1] if one not in known]
    return _refused(f"adduser {unknown}") if unknown or arguments[-1] != "carillon" else 0


def owner(*arguments: str) -> int:
    """chown and chgrp: user and file must be there."""
    names, *files = (one for one in arguments if not one.startswith("-"))
    missing = [file for file in files if not Path(file).exists()]
    unknown = {name for name in names.split(":") if name} - OF_PACKAGES - {"carillon"}
    return _refused(f"{missing or unknown}") if missing or unknown else 0


def git(*arguments: str) -> int:
    """Nothing is fetched: the checkout is there."""
    good = arguments in (("clone", str(ROOT), "carillon"), ("-C", "carillon", "pull"))
    return 0 if good else _refused(f"git {arguments}")


def make(*arguments: str) -> int:
    """Only says what it would do: the target must exist."""
    fitting = [str(ROOT) if one == "carillon" else one for one in arguments]
    directory = () if "-C" in fitting else ("-C", str(ROOT))
    return subprocess.run(
        ("/usr/bin/make", "--dry-run", *directory, *fitting), stdout=subprocess.DEVNULL, check=False
    ).returncode


def python3(*arguments: str) -> int:
    """`python3 -m venv DIRECTORY`: an environment with stand-ins in it."""
    match arguments:
        case ("-m", "venv", directory):
            put_environment(Path(directory), HOUSE.parent / "bin")
            return 0
    return _refused(f"python3 {arguments}")


def put_environment(directory: Path, stand_ins: Path) -> None:
    """What an environment has of programs, unless it is there already."""
    programs = directory / "bin"
    if not programs.exists():
        programs.mkdir(parents=True)
        for name in ("pip", "carillon"):
            programs.joinpath(name).symlink_to(stand_ins / name)


def pip(*arguments: str) -> int:
    """An installation of this project (tests/test_image.py installs what is built of it)."""
    verb, *rest = (one for one in arguments if not one.startswith("-"))
    good = verb == "install" and rest and (Path(rest[0]) / "pyproject.toml").exists()
    return 0 if good else _refused(f"pip {arguments}")


def podman(*arguments: str) -> int:
    """The image is run by `make test-image`; here the options are looked at."""
    known = {
        "run",
        "exec",
        "stop",
        "--time",
        "--read-only",
        "--network",
        "--volume",
        "--env",
        "--name",
        "--detach",
    }
    words = [one for one in arguments if one.startswith("-")]
    unknown = [one for one in words if one.partition("=")[0] not in known]
    return _refused(f"podman {unknown}") if unknown or arguments[0] not in known else 0


def prosodyctl(*arguments: str) -> int:
    """The files that were put into Prosody's configuration must be Lua."""
    if arguments != ("check", "config"):
        return _refused(f"prosodyctl {arguments}")
    return _run("luac", "-p", *(HOUSE / "etc" / "prosody").rglob("*.lua"))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
