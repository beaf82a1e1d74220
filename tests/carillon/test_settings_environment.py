"""Settings from the environment, and where the file is found when nobody names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon import settings as settings_module
from carillon.settings import SettingsError, load, parse
from carillon.settings.environment import variable
from carillon.settings.live import EFFECTS

HERE = Path("/etc/carillon/carillon.toml")


def complaint(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        parse("", HERE, (), environment)
    return str(caught.value)


@pytest.fixture(autouse=True)
def no_configuration_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings_module, "DEFAULT", tmp_path / "etc" / "carillon.toml")


def test_every_setting_has_a_variable_of_its_own() -> None:
    assert len({variable(*name.split(".")) for name in EFFECTS}) == len(EFFECTS)


@pytest.mark.parametrize(
    ("name", "text", "section", "key", "value"),
    [
        ("XMPP_DOMAIN", "example.org", "xmpp", "domain", "example.org"),
        ("XMPP_SECRET_FILE", "/run/secret", "xmpp", "secret_file", Path("/run/secret")),
        ("FRONT_PORT", "8443", "front", "port", 8443),
        ("FRONT_P2P", "false", "front", "p2p", False),
        ("FRONT_ORIGINS", '["https://a.example"]', "front", "origins", ("https://a.example",)),
        ("FRONT_CERTIFICATE", "", "front", "certificate", ""),
        ("BRIDGE_ADDRESS", "::1", "bridge", "address", ("::1",)),
        ("BRIDGE_ADDRESS", '["127.0.0.1", "::1"]', "bridge", "address", ("127.0.0.1", "::1")),
        ("OPERATION_DRAIN_S", "0", "operation", "drain_s", 0.0),
        ("LOG_FORMAT", "json", "log", "format", "json"),
    ],
)
def test_a_variable_is_a_setting(name: str, text: str, section: str, key: str, value: object) -> None:
    found = parse("", HERE, (), {f"CARILLON_{name}": text, "PATH": "/bin"})
    assert getattr(getattr(found, section), key) == value


def test_environment_wins_over_the_file_and_set_over_both() -> None:
    environment = {"CARILLON_FRONT_PORT": "2", "CARILLON_BRIDGE_PORT": "2"}
    found = parse("[front]\nport = 1\n[bridge]\nport = 1\n[turn]\nudp_port = 1\n", HERE, (), environment)
    assert (found.front.port, found.bridge.port, found.turn.udp_port) == (2, 2, 1)
    assert parse("", HERE, ("front.port=3",), environment).front.port == 3


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("FRONT_PRT", "1", "CARILLON_FRONT_PRT names no setting; did you mean CARILLON_FRONT_PORT?"),
        ("CONFG", "x", "CARILLON_CONFG names no setting; did you mean CARILLON_CONFIG?"),
        ("FRONT_PORT", "https", "CARILLON_FRONT_PORT: front.port must be a TOML value, not 'https'"),
        ("FRONT_PORT", "", "CARILLON_FRONT_PORT: front.port must be a TOML value, not ''"),
        ("FRONT_PORT", "70000", "CARILLON_FRONT_PORT: front.port must be a port, 1 to 65535, not 70000"),
        ("FRONT_PORT", '"80"', "CARILLON_FRONT_PORT: front.port must be a whole number"),
        ("FRONT_PORT", "1\nx=2", "CARILLON_FRONT_PORT: front.port must be a TOML value"),
        ("FRONT_ORIGINS", "https://a", "CARILLON_FRONT_ORIGINS: front.origins must be a TOML value"),
        ("XMPP_DOMAIN", "a@b", "CARILLON_XMPP_DOMAIN: xmpp.domain must be a domain name"),
        ("LOG_LEVEL", "loud", "CARILLON_LOG_LEVEL: log.level must be one of debug, info"),
        ("TURN_RELAY_PORTS", "[" * 5000, "CARILLON_TURN_RELAY_PORTS: turn.relay_ports must be a TOML value"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(name: str, text: str, says: str) -> None:
    message = complaint({f"CARILLON_{name}": text})
    assert message.startswith("the environment variable ")
    assert says in message
    assert "\n" not in message


@given(st.text(max_size=100))
def test_no_text_escapes_but_as_settings_error(text: str) -> None:
    for name in (
        "CARILLON_FRONT_PORT",
        "CARILLON_XMPP_DOMAIN",
        "CARILLON_BRIDGE_ADDRESS",
        f"CARILLON_{text}",
    ):
        try:
            parse("", HERE, (), {name: text})
        except SettingsError as error:
            assert str(error)


def test_the_file_is_the_one_that_the_environment_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[front]\nport = 5\n")
    found = load(None, (), {"CARILLON_CONFIG": str(file)})
    assert (found.front.port, found.path) == (5, file)


def test_the_command_line_wins_over_the_environment_about_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("")
    assert load(file, (), {"CARILLON_CONFIG": "/nonexistent"}).path == file


def test_without_a_name_it_is_the_file_of_the_machine(tmp_path: Path) -> None:
    settings_module.DEFAULT.parent.mkdir()
    settings_module.DEFAULT.write_text("[front]\nport = 6\n")
    found = load(None)
    assert (found.front.port, found.path) == (6, settings_module.DEFAULT)


def test_a_file_that_is_named_and_missing_is_an_error() -> None:
    with pytest.raises(SettingsError, match="/nonexistent: cannot be read"):
        load(None, (), {"CARILLON_CONFIG": "/nonexistent"})


def test_the_environment_alone_suffices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = load(None, (), {"CARILLON_XMPP_DOMAIN": "example.org"})
    assert found.xmpp.domain == "example.org"
    assert found.xmpp.secret_file == tmp_path / "secrets" / "component"


def test_without_any_configuration_all_ways_are_named() -> None:
    ways = "--config FILE or CARILLON_CONFIG, write .*carillon.toml, or name at least CARILLON_XMPP_DOMAIN"
    with pytest.raises(SettingsError, match=ways):
        load(None, (), {"CARILLON_FRONT_PORT": "1"})
