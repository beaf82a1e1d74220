"""The command `carillon check` itself: its exit status, its output, its progress."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from carillon.check import command
from carillon.check.running import Check
from carillon.cli import main


def test_a_configuration_that_is_none_is_a_finding_in_json_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["check", "--config", str(tmp_path / "none.toml"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert status == 2
    assert told["findings"][0]["what"] == f"{tmp_path}/none.toml: cannot be read: No such file or directory"


def test_a_part_that_is_none_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "journal"])
    assert ended.value.code == 2
    assert "invalid choice: 'journal'" in capsys.readouterr().err


def test_progress_is_one_line_that_is_gone_in_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    async def nothing() -> tuple[()]:
        return ()

    check = Check("relay", "relay" * 40, nothing)
    command._progress([check])
    command._progress([])
    shown = capsys.readouterr().err
    assert "\n" not in shown
    first, _, last = shown.rpartition("\r\x1b[K")
    assert len(first.removeprefix("\r\x1b[K")) == 79
    assert last == ""
