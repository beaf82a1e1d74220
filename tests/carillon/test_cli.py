"""The command line."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from carillon import __version__, cli
from carillon.part import PARTS

STUB = Path(__file__).with_name("stub_part.py")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    secret = tmp_path / "secrets" / "turn"
    secret.parent.mkdir()
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    file = tmp_path / "carillon.toml"
    file.write_text("[turn]\nadvertise = '192.0.2.7'\nudp_port = 1000\ntcp_port = 2000\n")
    return file


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"carillon {__version__}\n"


def test_credentials_as_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = int(time.time())
    assert cli.main(["credentials", "--config", str(config), "--user", "a@b", "--ttl", "60", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    expiry, name = found["username"].split(":", 1)
    assert before + 60 <= int(expiry) <= time.time() + 60
    assert name == "a@b"
    assert (
        found["password"]
        == base64.b64encode(hmac.digest(b"s3cret", found["username"].encode(), hashlib.sha1)).decode()
    )
    assert found["ttl"] == 60
    assert found["uris"] == ["turn:192.0.2.7:1000?transport=udp", "turn:192.0.2.7:2000?transport=tcp"]


def test_credentials_as_text_live_as_long_as_configured(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "turn.advertise='2001:db8::1'"
    assert cli.main(["credentials", "--config", str(config), "--user", "a@b", "--set", address]) == 0
    username, password, *uris = capsys.readouterr().out.splitlines()
    expiry = int(username.removeprefix("username: ").split(":")[0])
    assert abs(expiry - time.time() - 86400) < 10
    assert password.startswith("password: ")
    assert uris[0] == "turn:[2001:db8::1]:1000?transport=udp"


def test_credentials_name_turn_over_tls_where_there_is_a_certificate(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = ("turn.certificate='a.pem'", "turn.key='a.key'", "turn.tls_port=3000")
    overrides = [word for text in sets for word in ("--set", text)]
    command = ["credentials", "--config", str(config), "--user", "a@b", *overrides]
    assert cli.main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "turns:192.0.2.7:3000?transport=tcp"
    assert cli.main([*command, "--set", "turn.tls_host='turn.example.org'"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "turns:turn.example.org:3000?transport=tcp"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["credentials", "--user", "a", "--ttl", "0"], "--ttl must be between 1 and 172800"),
        (["credentials", "--user", "a", "--ttl", "172801"], "--ttl must be between 1 and 172800"),
        (["credentials", "--user", "a", "--set", "turn.secret_file='none'"], "cannot be read"),
        (["credentials", "--user", ""], "--user must be a name"),
        (["credentials", "--user", "a\nb"], "--user must be a name"),
        (["credentials", "--user", "a" * 600], "--user must be a name"),
        (["bridge", "--set", "bridge.prot=1"], "unknown key prot in [bridge]; did you mean port?"),
        (["run", "--set", "x"], "write it as section.key=VALUE"),
    ],
)
def test_a_wrong_word_is_one_line_and_status_2(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert cli.main([*arguments, "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("carillon: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["nothing"], ["bridge", "--conf", "x"], ["dev", "--base-port", "x"]]
)
def test_a_wrong_command_line_has_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: carillon" in capsys.readouterr().err


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "dev", "credentials", *PARTS):
        with pytest.raises(SystemExit) as caught:
            cli.main([command, "--help"])
        assert caught.value.code == 0
        assert "--set" in capsys.readouterr().out


def test_run_keeps_all_parts_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """`carillon run` in a process of its own, its parts being stubs."""
    code = (
        "import sys; from carillon import cli, run\n"
        "def argv(name, config, overrides=()):\n"
        f"    return (sys.executable, {str(STUB)!r}, name, '--config', str(config))\n"
        "run.part_argv = argv\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    file = tmp_path / "carillon.toml"
    file.write_text("")
    with subprocess.Popen(
        [sys.executable, "-c", code, "run", "--config", str(file)], stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "every part answers" in line:
                break
        pids = {word.split("=")[0]: int(word.split("=")[1]) for word in line.split() if "=" in word}
        assert set(pids) == set(PARTS)
        run.send_signal(signal.SIGTERM)
        run.stderr.read()
        assert run.wait(10) == 0
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_reader_who_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m carillon man carillon.toml | head -n 1"
    ran = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=False
    )
    assert ran.stdout.startswith(".TH") and ran.stderr == ""
    assert ran.returncode in (0, 128 + signal.SIGPIPE)  # 0: it was all in the pipe before head left
