"""What a part does not load: it begins as a command, and keeps what that has loaded."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from carillon.part import PARTS
from carillon.part_program import part_program
from carillon.settings import parse

ONLY_FOR_COMMANDS = {
    f"carillon.{name}"
    for name in (
        "acme",
        "cert",
        "certificate",
        "check",
        "dev",
        "ejabberd",
        "endpoints",
        "part_program",
        "prosody",
        "run",
        "supervisor",
    )
}
"""The modules behind `carillon run`, `dev` and `cert`."""

LOADED = """
import importlib, json, sys
from carillon import cli
status = cli.main([sys.argv[1], "--config", "/nonexistent/carillon.toml"])
importlib.import_module(sys.argv[2])
print(json.dumps([status, sorted(sys.modules)]))
"""


def loaded_by(part: str) -> set[str]:
    """The modules that are loaded when the command line has been read and the part is about to be made."""
    output = subprocess.run(
        [sys.executable, "-c", LOADED, part, PARTS[part].module],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    ).stdout
    status, modules = json.loads(output)
    assert status == 2, "the configuration does not exist"
    return set(modules)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_loads_no_command_but_its_own(part: str) -> None:
    assert not loaded_by(part) & ONLY_FOR_COMMANDS


@pytest.mark.parametrize("part", sorted(PARTS.keys() - {"bridge"}))
def test_only_the_bridge_loads_cryptography(part: str) -> None:
    assert "cryptography" not in loaded_by(part)


def authorities(part: str, text: str = "") -> int:
    """How many authorities' certificates an ordinary TLS context has in the environment of a part."""
    settings = parse(text, Path("/nonexistent/carillon.toml"))
    code = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    output = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **part_program(part, settings, ()).environment},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return int(output)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_asks_for_no_certificate_loads_no_authorities(part: str) -> None:
    assert authorities(part) == 0


def test_authorities_are_loaded_to_ask_a_bridge_behind_https() -> None:
    here = ssl.create_default_context().cert_store_stats()["x509_ca"]
    assert authorities("component", '[focus]\nbridge = "https://bridge.example.org"\n') == here
