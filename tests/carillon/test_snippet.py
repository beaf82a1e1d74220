"""`carillon snippet`: what it prints, and what it says beside it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from carillon import cli

KINDS = ("prosody", "ejabberd", "nginx", "haproxy", "systemd", "jitsi-meet")
Printed = Callable[..., tuple[str, str]]
PUBLIC = '[front]\npublic_url = "https://meet.example.org"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with what its file `carillon.toml` says, and secrets."""
    (tmp_path / "secrets").mkdir()
    for name in ("component", "turn"):
        secret = tmp_path / "secrets" / name
        secret.touch(mode=0o600)
        secret.write_text(f"the secret of {name}\n")
    path = tmp_path / "carillon.toml"
    path.write_text(f'[xmpp]\ndomain = "example.org"\nc2s_port = 5224\n{PUBLIC}')
    return path


@pytest.fixture
def printed(config: Path, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Runs the command; its text, and what it says on standard error."""

    def run(kind: str, *sets: str, status: int = 0) -> tuple[str, str]:
        options = [word for one in sets for word in ("--set", one)]
        assert cli.main(["snippet", kind, "--config", str(config), *options]) == status
        found = capsys.readouterr()
        return found.out, found.err

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_every_snippet_is_whole_and_says_what_it_is_for(printed: Printed, kind: str) -> None:
    text, _ = printed(kind)
    assert f"`carillon snippet {kind}`" in text.splitlines()[0]
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert not re.search(r"\$\{|^@", text, re.MULTILINE)


@pytest.mark.parametrize("kind", ["prosody", "ejabberd"])
def test_only_the_snippets_of_xmpp_servers_hold_secrets_and_say_so(printed: Printed, kind: str) -> None:
    text, beside = printed(kind)
    assert "the secret of component" in text
    assert beside.startswith("carillon: this holds secrets")


@pytest.mark.parametrize("kind", ["nginx", "haproxy", "systemd", "jitsi-meet"])
def test_no_other_snippet_needs_a_secret(printed: Printed, config: Path, kind: str) -> None:
    for secret in (config.parent / "secrets").iterdir():
        secret.unlink()
    text, beside = printed(kind)
    assert "the secret" not in text and "holds secrets" not in beside


def test_administrators_of_the_rooms_own_each_room_on_prosody_13_too(printed: Printed) -> None:
    text, _ = printed("prosody")
    rooms = text.partition('" "muc"\n')[2].partition("\n\n")[0]
    assert "component_admins_as_room_owners = true" in rooms


@pytest.mark.parametrize("kind", ["prosody", "ejabberd"])
def test_a_server_gets_no_component_for_what_is_switched_off(printed: Printed, kind: str) -> None:
    text, _ = printed(kind)
    assert "calls.example.org" in text and "proxy.example.org" in text
    text, _ = printed(kind, "calls.enabled=false", "socks5.enabled=false")
    assert "calls.example.org" not in text and "proxy.example.org" not in text
    assert "focus.example.org" in text


def test_prosody_is_told_to_listen_where_the_components_connect(printed: Printed) -> None:
    assert "component_ports" not in printed("prosody")[0]
    text, _ = printed("prosody", "xmpp.component_port=5348", 'xmpp.server="192.0.2.5"')
    assert "component_ports = { 5348 }" in text
    assert 'component_interfaces = { "192.0.2.5" }' in text


@pytest.mark.parametrize(
    ("kind", "sets", "words"),
    [
        ("ejabberd", ["xmpp.c2s_port=5222"], "5222"),
        ("ejabberd", ['xmpp.server="xmpp.example.org"'], "IP address"),
        ("nginx", ['front.certificate="a.pem"', 'front.key="a.key"'], "belong into [turn]"),
        ("nginx", ['front.public_url=""'], "front.public_url"),
        ("haproxy", ['front.public_url="http://meet.example.org"'], "front.public_url"),
        ("haproxy", ['front.public_url="https://a b"'], "front.public_url"),
    ],
)
def test_what_cannot_be_is_said_in_words(printed: Printed, kind: str, sets: list[str], words: str) -> None:
    text, beside = printed(kind, *sets, status=1)
    assert text == "" and words in beside


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_a_proxy_that_is_not_trusted_is_remarked(printed: Printed, kind: str) -> None:
    assert "front.trusted_proxies" in printed(kind)[1]
    assert "front.trusted_proxies" not in printed(kind, 'front.trusted_proxies=["127.0.0.1"]')[1]


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_a_proxy_goes_to_the_front_wherever_it_listens(printed: Printed, kind: str) -> None:
    url = 'front.public_url="https://meet.example.org:8443"'
    assert "127.0.0.1:8080" in printed(kind)[0]
    for address, found in (
        ("0.0.0.0", "127.0.0.1:81"),
        ("::", "[::1]:81"),
        ("2001:db8::5", "[2001:db8::5]:81"),
    ):
        text, _ = printed(kind, f'front.address="{address}"', "front.port=81", url)
        assert found in text and "8443" in text


def test_a_jitsi_meet_is_pointed_at_us(printed: Printed) -> None:
    text, _ = printed("jitsi-meet", 'front.origins=["https://jitsi.example.org"]')
    assert "front.origins" in text
    script = f"const config = {{}};\n{text}\nconsole.log(JSON.stringify(config))"
    ran = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == {
        "hosts": {
            "domain": "example.org",
            "anonymousdomain": "guest.example.org",
            "muc": "conference.example.org",
            "focus": "focus.example.org",
        },
        "websocket": "wss://meet.example.org/xmpp-websocket",
        "bosh": "https://meet.example.org/http-bind",
        "openBridgeChannel": "websocket",
    }
