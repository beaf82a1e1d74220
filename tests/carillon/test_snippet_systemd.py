"""The unit that `carillon snippet systemd` prints, read by systemd itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from carillon.command_line import EXIT_CONFIGURATION, CommandError
from carillon.settings import load
from carillon.snippet import systemd

EXPOSED = "20"
"""At most, of 100: what `systemd-analyze security` calls OK ends at 40, and a service as it comes has 96."""


def unit(directory: Path, text: str = "") -> str:
    path = directory / "carillon.toml"
    path.write_text(f'[xmpp]\ndomain = "example.org"\n{text}')
    return systemd.unit(load(path))


def values(text: str, key: str) -> list[str]:
    return re.findall(rf"(?m)^{key}=(.*)$", text)


@pytest.mark.parametrize("port", [8080, 443])
def test_systemd_reads_the_unit_and_finds_it_hardened(tmp_path: Path, port: int) -> None:
    odd = tmp_path / 'a "b" $c %n \\ é;d'
    odd.mkdir()
    file = tmp_path / "carillon.service"
    file.write_text(unit(odd, f"[front]\nport = {port}\n"))
    for command in (("verify", "--man=no"), ("security", "--offline=true", f"--threshold={EXPOSED}")):
        ran = subprocess.run(
            ["systemd-analyze", *command, str(file)], capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout


@pytest.mark.parametrize(
    ("text", "capabilities"),
    [
        ("", [""]),
        ("[front]\nport = 443", ["CAP_NET_BIND_SERVICE"]),
        ('[front]\nport = 8443\nhttp_port = 80\ncertificate = "a"\nkey = "b"', ["CAP_NET_BIND_SERVICE"]),
        ('[turn]\ntls_port = 443\ncertificate = "a"\nkey = "b"', ["CAP_NET_BIND_SERVICE"]),
    ],
)
def test_only_a_port_below_1024_takes_a_privilege(tmp_path: Path, text: str, capabilities: list[str]) -> None:
    printed = unit(tmp_path, text)
    assert values(printed, "CapabilityBoundingSet") == capabilities
    assert values(printed, "AmbientCapabilities") == [one for one in capabilities if one]


def test_a_wrong_configuration_is_not_tried_again_by_systemd(tmp_path: Path) -> None:
    assert values(unit(tmp_path), "RestartPreventExitStatus") == [str(EXIT_CONFIGURATION)]


def test_it_may_write_where_its_control_sockets_are_and_nowhere_else(tmp_path: Path) -> None:
    assert values(unit(tmp_path), "ReadWritePaths") == [f"-{tmp_path}/run"]
    assert values(unit(tmp_path), "RuntimeDirectory") == []
    sections = {"focus": "component", "bridge": "bridge", "turn": "relay", "front": "front"}
    text = "".join(f'[{name}]\ncontrol = "/run/carillon/{file}.sock"\n' for name, file in sections.items())
    text += '[link]\ncontrol = "/run/carillon/link.sock"\nsocket = "/run/carillon/link-xmpp.sock"\n'
    text += '[streams]\ncontrol = "/run/carillon/streams.sock"\nsocket = "/run/carillon/kept.sock"\n'
    text += '[journal]\nstore = "/run/carillon/journal.sqlite"\n'
    assert values(unit(tmp_path, text), "ReadWritePaths") == []
    assert values(unit(tmp_path, text), "RuntimeDirectory") == ["carillon"]


def test_it_is_given_the_time_that_it_takes_to_end(tmp_path: Path) -> None:
    (seconds,) = values(unit(tmp_path, "[operation]\ndrain_s = 300"), "TimeoutStopSec")
    assert float(seconds) > 300


def test_it_may_have_as_many_connections_as_the_front_takes(tmp_path: Path) -> None:
    (number,) = values(unit(tmp_path, "[front]\nmax_connections = 100000"), "LimitNOFILE")
    assert int(number) > 2 * 100000


def test_it_runs_this_very_carillon_with_this_configuration(tmp_path: Path) -> None:
    program, *words = values(unit(tmp_path), "ExecStart")[0].split()
    assert shutil.which(program) == program
    assert words[-3:] == ["run", "--config", f"{tmp_path}/carillon.toml"]


def test_what_the_service_would_not_see_is_remarked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit(tmp_path)
    configured = load(tmp_path / "carillon.toml")
    monkeypatch.setattr(systemd, "HIDDEN", (tmp_path,))
    (remark,) = systemd.remarks(configured)
    assert str(configured.path) in remark and "/etc/carillon" in remark
    monkeypatch.setattr(systemd, "HIDDEN", ())
    assert systemd.remarks(configured) == []


def test_a_unit_needs_a_file(tmp_path: Path) -> None:
    (tmp_path / "carillon.toml").write_text('[xmpp]\ndomain = "example.org"\n')
    configured = load(tmp_path / "carillon.toml")
    (tmp_path / "carillon.toml").unlink()
    with pytest.raises(CommandError, match="--config"):
        systemd.unit(configured)
