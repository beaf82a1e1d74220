"""The manual pages: made from the command line and the reference configuration, and good roff."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon import cli, man
from carillon.man.roff import escaped, paragraphs
from carillon.part import PARTS

COMMANDS = {name: parser for name, _, parser in cli.manual()}


def rendered(page: str) -> str:
    """What a reader sees, in one line."""
    shown = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=1000"], input=page, capture_output=True, text=True, check=True
    ).stdout
    return " ".join(re.sub(r".\x08", "", shown).split())  # bold and underlined characters are overstruck


def test_no_page_has_anything_that_mandoc_warns_of(tmp_path: Path) -> None:
    assert cli.main(["man", "--out", str(tmp_path)]) == 0
    files = sorted(tmp_path.glob("man?/*"))
    assert len(files) == len(COMMANDS) + 1
    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *files], capture_output=True, text=True, check=False
    )
    assert (lint.stdout, lint.returncode) == ("", 0)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_page_of_a_command_names_each_of_its_options(command: str) -> None:
    shown = rendered(man.page(command))
    options = re.findall(r"(?<![\w-])--[a-z][a-z-]*", COMMANDS[command].format_help())
    assert [option for option in options if option not in (*shown.split(), "--help")] == []


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_of_a_command_has_a_description_examples_and_exit_statuses(command: str) -> None:
    parser = COMMANDS[command]
    assert len(parser.description or "") > 60
    assert parser.epilog is not None
    assert re.search(r"^examples:\n  carillon", parser.epilog, re.M)
    assert re.search(r"^exit status:\n  0  \S", parser.epilog, re.M)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_examples_of_a_command_are_command_lines(command: str) -> None:
    examples = re.findall(r"^  (carillon .*)$", COMMANDS[command].epilog or "", re.M)
    for example in examples:
        arguments = shlex.split(example.partition(" | ")[0])[1:]
        assert cli.parser_for(arguments).parse_args(arguments).run


def test_the_page_of_carillon_names_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["man"]) == 0
    shown = rendered(capsys.readouterr().out)
    assert [name for name in (*PARTS, "run", "dev", "cert") if f" carillon-{name}(1)" not in shown] == []


def test_the_page_of_the_configuration_has_every_setting_with_its_default() -> None:
    reference = resources.files("carillon").joinpath("carillon.toml").read_text()
    shown = rendered(man.page("carillon.toml"))
    for section, settings in tomllib.loads(reference).items():
        assert f"[{section}]" in shown
        for key in settings:
            assert re.search(rf"(?<!\w){key} = [\"\[\w]", shown), f"{section}.{key}"


def test_a_page_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["man", "sing"]) == 2
    assert "no manual page sing" in capsys.readouterr().err


def test_a_directory_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "man1").write_text("")
    assert cli.main(["man", "--out", str(tmp_path)]) == 1
    assert str(tmp_path / "man1") in capsys.readouterr().err


@given(st.text())
def test_no_text_becomes_a_macro(text: str) -> None:
    lines = [line for block in paragraphs(text) for line in block.splitlines()]
    assert [line for line in lines if line.startswith((".", "'")) and line != ".PP"] == []
    assert not escaped(text).startswith((".", "'"))
