"""More than one bridge in the configuration: what each inherits, what none may share, who is told."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from carillon import endpoints, layout
from carillon.cli import main
from carillon.layout import Options
from carillon.part import control_socket, parts_of, process_name
from carillon.part_program import part_argv
from carillon.settings import Settings, SettingsError, parse
from carillon.settings.live import SUPERVISOR, taken_up
from relay.main import peer_policy

HERE = Path("/etc/carillon/carillon.toml")
SECOND = '[bridges.two]\nrest = "127.0.0.1:8085"\nport = 10001\n'


def settings(text: str = SECOND, *overrides: str) -> Settings:
    return parse(text, HERE, overrides)


def complaint(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(text)
    return str(caught.value)


def test_a_further_bridge_is_as_the_first_but_for_what_it_names() -> None:
    got = settings(f"[bridge]\nmax_endpoints = 7\nadvertise = '192.0.2.1'\n{SECOND}")
    two = got.bridges["two"]
    assert (two.port, two.rest, two.max_endpoints, two.advertise) == (
        10001,
        "127.0.0.1:8085",
        7,
        ("192.0.2.1",),
    )
    assert two.control == "/etc/carillon/run/bridge-two.sock"
    assert list(got.all_bridges) == ["default", "two"]


def test_a_further_bridge_at_an_address_of_its_own_tells_that_one() -> None:
    text = "[bridge]\naddress = '192.0.2.1'\n[bridges.two]\nrest = '127.0.0.1:8085'\naddress = '192.0.2.2'\n"
    assert settings(text).bridges["two"].advertise == ("192.0.2.2",)


def test_the_focus_uses_all_bridges_unless_it_is_told_which() -> None:
    assert settings().focus.bridge == ("http://127.0.0.1:8083", "http://127.0.0.1:8085")
    one = "http://jvb.example:8080"
    assert settings(f"[focus]\nbridge = '{one}'\n").focus.bridge == (one,)
    assert settings(f"[focus]\nbridge = ['{one}', 'https://b.example']\n").focus.bridge[1] == (
        "https://b.example"
    )


@pytest.mark.parametrize("value", ["['http://a', 'http://a']", "'ftp://a'", "3", "['http://a', 3]"])
def test_bridges_of_the_focus_that_cannot_be_are_refused(value: str) -> None:
    assert "focus.bridge" in complaint(f"[focus]\nbridge = {value}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[bridges.two]\nport = 10001\n", "bridges.two.rest is that of [bridge] too"),
        ("[bridges.two]\nrest = '127.0.0.1:8085'\n", "bridges.two.port is that of [bridge] too"),
        (f"{SECOND}control = 'run/bridge.sock'\n", "bridges.two.control is that of [bridge] too"),
        (f"{SECOND}{SECOND.replace('two', 'three')}", "bridges.three.rest is that of [bridges.two] too"),
        ("[bridge]\naddress='0.0.0.0'\nadvertise='192.0.2.1'\n[bridges.two]\nrest='127.0.0.1:1'\n", ".port"),
    ],
)
def test_two_bridges_share_nothing_that_they_open(text: str, words: str) -> None:
    assert words in complaint(text)


def test_two_bridges_at_different_addresses_may_have_the_same_port() -> None:
    text = "[bridges.two]\nrest = '127.0.0.1:8085'\naddress = '192.0.2.2'\n"
    assert settings(text).bridges["two"].port == settings(text).bridge.port


@pytest.mark.parametrize("name", ["default", "default-id", "Two", "a_b", "-a", "a" * 33])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    assert "at most 32" in complaint(SECOND.replace("two", f'"{name}"'))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[bridges]\nport = 5\n", "stand under [bridges.NAME]"),
        (f"{SECOND}prot = 5\n", "did you mean port"),
        (f"{SECOND}max_endpoints = 0\n", "carillon.toml:4: bridges.two.max_endpoints must be more than 0"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, words: str) -> None:
    assert words in complaint(text)


def test_a_further_bridge_may_come_by_the_command_line() -> None:
    got = settings("", 'bridges.b.rest="127.0.0.1:8085"', "bridges.b.port=1")
    assert got.bridges["b"].port == 1


def test_the_process_of_a_bridge_sees_its_own_settings_as_those_of_the_bridge() -> None:
    own = settings().as_bridge("two")
    assert (own.bridge, own.bridge_name, own.bridges) == (settings().bridges["two"], "two", {})
    assert settings().as_bridge("default") == settings()
    assert process_name("bridge", own) == "bridge-two"
    assert control_socket("bridge-two", own) == control_socket("bridge", own) == own.bridge.control


def test_every_bridge_is_a_process_beside_the_first() -> None:
    names = parts_of(settings())
    assert names.index("bridge-two") == names.index("bridge") + 1
    assert control_socket("bridge-two", settings()) == "/etc/carillon/run/bridge-two.sock"
    assert part_argv("bridge-two", HERE)[3:] == ("bridge", "--name", "two", "--config", str(HERE))


def test_the_relay_reaches_the_media_of_every_bridge_and_its_rest_api_of_none() -> None:
    policy = peer_policy(settings())
    assert policy.bridges == {(ip_address("127.0.0.1"), port) for port in (10000, 10001)}
    assert {8083, 8085} <= policy.own_ports


def test_a_bridge_that_is_not_configured_cannot_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bridge", "--name", "two", "--set", "xmpp.domain='a'"]) == 2
    assert "no such bridge" in capsys.readouterr().err


def test_another_bridge_more_needs_a_restart_of_all_who_lead_there() -> None:
    for name in ("component", "relay", "front", SUPERVISOR):
        assert taken_up(name, settings(""), settings()).restart, name
    assert taken_up("bridge", settings(""), settings()).restart == ()


def test_a_change_of_a_further_bridge_concerns_that_one() -> None:
    wanted = settings(f"{SECOND}max_endpoints = 5\n")
    change = taken_up("bridge", settings().as_bridge("two"), wanted.as_bridge("two"))
    assert (change.live, change.settings.bridge.max_endpoints) == (("bridge.max_endpoints",), 5)
    assert taken_up("relay", settings(), wanted).restart == ()


def test_carillon_dev_writes_what_the_command_line_says_of_further_bridges(tmp_path: Path) -> None:
    overrides = ('bridges.b.rest="127.0.0.1:5000"', "bridges.b.port=5001")
    text, made = layout.settings(
        Options(tmp_path, base_port=4000, overrides=overrides), tmp_path / "c", tmp_path / "run"
    )
    assert parse(text, tmp_path / "c") == made
    assert made.focus.bridge == ("http://127.0.0.1:4003", "http://127.0.0.1:5000")
    assert {5000, 5001, 4003, 4004} <= {one.port for one in layout.listeners(made)}
    told = json.loads(json.dumps(endpoints.of(made, {"bridge-b": 7})))
    assert told["bridges"]["b"] == {"rest": "http://127.0.0.1:5000", "media": ["127.0.0.1", 5001]}
    assert told["pids"]["bridge-b"] == 7 and told["control"]["bridge-b"].endswith("/bridge-b.sock")
