"""Why a file cannot be opened, in words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from carillon.control import ControlError, ask
from carillon.unreadable import reason


def test_who_may_not_read_is_told_who_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said = reason(PermissionError(errno.EACCES, "Permission denied", "/etc/carillon/carillon.toml"))
    assert said == "Permission denied for user root: let that user read it, or run this as root"


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_001)
    assert "for user 4000000001:" in reason(PermissionError(errno.EACCES, "Permission denied"))


def test_what_has_nothing_to_do_with_permission_is_said_as_it_is() -> None:
    assert reason(FileNotFoundError(errno.ENOENT, "No such file or directory")) == "No such file or directory"


async def test_a_control_socket_that_is_not_there_is_said_without_the_words_of_a_library(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "none.sock")
    with pytest.raises(ControlError) as told:
        await ask(path, "/about/health")
    assert str(told.value) == f"{path}: No such file or directory"
