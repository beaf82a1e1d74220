"""`carillon cert`: what it writes, shows, has certbot do, and what a renewal does to running parts."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from carillon import cli
from carillon.certificate import make_self_signed
from carillon.settings import load
from tests.ports import free_base_port

FAKE_CERTBOT = f"""#!{sys.executable}
# Takes certbot's command line as certbot 2 does, and does what certbot does when all goes well.
import argparse, json, os, pathlib, shutil, subprocess, sys
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("command", choices=["certonly"])
for flag in ("--non-interactive", "--agree-tos", "--webroot"):
    parser.add_argument(flag, action="store_true", required=True)
for option in ("--email", "--webroot-path", "--deploy-hook", "--cert-name"):
    parser.add_argument(option, required=True)
parser.add_argument("--domain", action="append", required=True)
for option in ("--server", "--config-dir", "--work-dir", "--logs-dir"):
    parser.add_argument(option)
found = vars(parser.parse_args())
here = pathlib.Path(os.environ["FAKE_CERTBOT"])
(here / "asked.json").write_text(json.dumps(found))
if (here / "fails").exists():
    sys.exit("the authority says no")
subprocess.run(["sh", "-c", found["deploy_hook"]], check=True, env=os.environ | {{"RENEWED_LINEAGE": str(here / "live")}})
"""  # noqa: E501


@pytest.fixture
def certbot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certbot in PATH; its directory, with the lineage it will deploy."""
    directory = tmp_path / "fake certbot"
    directory.mkdir()
    program = directory / "certbot"
    program.write_text(FAKE_CERTBOT)
    program.chmod(0o700)
    make_self_signed(
        directory / "live" / "fullchain.pem", directory / "live" / "privkey.pem", ("new.example",)
    )
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    monkeypatch.setenv("FAKE_CERTBOT", str(directory))
    return directory


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with HTTPS and TURN over TLS."""
    n = free_base_port()
    secret = tmp_path / "secrets" / "turn"
    secret.parent.mkdir()
    secret.touch(mode=0o600)
    secret.write_text("s3cret")
    file = tmp_path / "carillon.toml"
    file.write_text(
        f"[turn]\nudp_port = {n + 5}\ntcp_port = {n + 5}\ntls_port = {n + 6}\n[socks5]\nport = {n + 7}\n"
        f"[front]\nport = {n}\nhttp_port = {n + 1}\nacme_webroot = 'acme'\n"
        "certificate = 'certs/own.pem'\nkey = 'certs/own.key'\n"
    )
    return file


def cert(*words: object) -> int:
    return cli.main(["cert", *map(str, words)])


def test_a_self_signed_pair_is_written_once_and_can_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("self-signed", "--name", "meet.example", "192.0.2.1", "--out", tmp_path / "new" / "dir")
    assert cert(*command) == 0
    pem, key = tmp_path / "new" / "dir" / "certificate.pem", tmp_path / "new" / "dir" / "key.pem"
    assert str(pem) in capsys.readouterr().out
    assert key.stat().st_mode & 0o777 == 0o600
    ssl.create_default_context(cafile=pem).load_cert_chain(pem, key)
    assert cert("show", pem) == 0
    shown = capsys.readouterr().out
    assert "meet.example, 192.0.2.1" in shown and "self-signed" in shown
    assert "364 days left" in shown
    before = key.read_bytes()
    assert cert(*command) == 2
    assert "exists already" in capsys.readouterr().err
    assert key.read_bytes() == before


def test_it_goes_where_the_configuration_says(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cert("self-signed", "--name", "meet.example", "--config", config) == 0
    capsys.readouterr()
    assert cert("show", "--config", config) == 0
    shown = capsys.readouterr().out
    assert str(config.parent / "certs" / "own.pem") in shown
    assert str(config.parent / "certs" / "own.key") in shown
    assert shown.count("names:") == 1, "front and relay share it"
    make_self_signed(config.parent / "other.pem", config.parent / "certs" / "own.key", ("meet.example",))
    assert cert("show", "--config", config) == 1
    assert "UNUSABLE" in capsys.readouterr().out


def test_an_expired_certificate_is_shown_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    past = datetime.now(UTC) - timedelta(days=400)
    make_self_signed(tmp_path / "a.pem", tmp_path / "a.key", ("meet.example",), past)
    assert cert("show", tmp_path / "a.pem") == 1
    assert "EXPIRED" in capsys.readouterr().out


SAME = "--config carillon.toml --set turn.certificate='b' --set turn.key='c'"


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ("show nothing.pem", 1, "cannot be read"),
        ("show carillon.toml", 1, "holds no certificate"),
        ("show", 2, "--config"),
        ("show --config carillon.toml --set front.key=''", 2, "needs both"),
        ("self-signed --name ä.example --out new", 2, "--name"),
        ("self-signed --name https://meet.example --out new", 2, "--name"),
        ("self-signed --name a --out carillon.toml", 2, "carillon.toml"),
        ("self-signed --name a", 2, "--config"),
        (f"self-signed --name a {SAME}", 2, "must be the same"),
        ("deploy --config carillon.toml", 1, "RENEWED_LINEAGE is not set"),
        ("acme --name a --email b --config carillon.toml --set front.acme_webroot=''", 2, "acme_webroot"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    words: str,
    status: int,
    says: str,
) -> None:
    monkeypatch.chdir(config.parent)
    assert cert(*words.split()) == status
    error = capsys.readouterr().err
    assert says in error and error.startswith("carillon: ") and error.count("\n") == 1


def test_without_certbot_it_says_what_to_install(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(config.parent))
    assert cert("acme", "--name", "a.example", "--email", "a@b.example", "--config", config) == 1
    assert "Debian's package certbot" in capsys.readouterr().err


def test_certbot_is_told_everything_it_needs(config: Path, certbot: Path) -> None:
    options = ("--server", "https://ca.example/dir", "--certbot-dir", config.parent / "kept")
    names = ("--name", "a.example", "b.example", "--email", "ops@a.example")
    assert cert("acme", *names, "--config", config, *options, "--set", "log.level='debug'") == 0
    asked = json.loads((certbot / "asked.json").read_text())
    assert asked["domain"] == ["a.example", "b.example"]
    assert (asked["cert_name"], asked["email"]) == ("a.example", "ops@a.example")
    assert asked["webroot_path"] == str(config.parent / "acme")
    assert Path(asked["webroot_path"]).is_dir()
    assert asked["server"] == "https://ca.example/dir"
    assert asked["config_dir"] == str(config.parent / "kept" / "config")
    assert "log.level" in asked["deploy_hook"]
    pem, key = config.parent / "certs" / "own.pem", config.parent / "certs" / "own.key"
    assert pem.read_text() == (certbot / "live" / "fullchain.pem").read_text()
    assert key.read_text() == (certbot / "live" / "privkey.pem").read_text()
    assert key.stat().st_mode & 0o777 == 0o600


def test_certbots_failure_changes_nothing(
    config: Path, certbot: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (certbot / "fails").touch()
    assert cert("self-signed", "--name", "a.example", "--config", config) == 0
    before = (config.parent / "certs" / "own.pem").read_bytes()
    assert cert("acme", "--name", "a.example", "--email", "a@b.example", "--config", config) == 1
    assert "certbot ended with status 1" in capsys.readouterr().err
    assert (config.parent / "certs" / "own.pem").read_bytes() == before


def test_a_lineage_that_cannot_be_used_changes_nothing(
    config: Path, certbot: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cert("self-signed", "--name", "a.example", "--config", config) == 0
    before = (config.parent / "certs" / "own.pem").read_bytes()
    (certbot / "live" / "privkey.pem").write_text("half")
    monkeypatch.setenv("RENEWED_LINEAGE", str(certbot / "live"))
    assert cert("deploy", "--config", config) == 1
    assert "cannot be used" in capsys.readouterr().err
    assert (config.parent / "certs" / "own.pem").read_bytes() == before


@contextmanager
def running(part: str, config: Path) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "carillon", part, "--config", str(config)]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any(" started" in line for line in process.stderr), "it starts"
            yield process
        finally:
            process.terminate()


def shown(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10).strip()


def test_a_renewal_reaches_the_running_parts(
    config: Path, certbot: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cert("self-signed", "--name", "a.example", "--config", config) == 0
    old = (config.parent / "certs" / "own.pem").read_text().strip()
    new = (certbot / "live" / "fullchain.pem").read_text().strip()
    with ExitStack() as parts:
        for part in ("front", "relay"):
            parts.enter_context(running(part, config))
        settings = load(config)
        ports = (settings.front.port, settings.turn.tls_port)
        assert {shown(port) for port in ports} == {old}
        assert cert("acme", "--name", "new.example", "--email", "a@b.example", "--config", config) == 0
        assert "2 running parts told" in capfd.readouterr().out
        deadline = time.monotonic() + 10
        while {shown(port) for port in ports} != {new}:
            assert time.monotonic() < deadline
