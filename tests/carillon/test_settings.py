"""The configuration: defaults, overlays, overrides, and what is said about wrong ones."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.settings import REFERENCE, Settings, SettingsError, load, override_values, parse, read_secret

HERE = Path("/etc/carillon/carillon.toml")


def settings(text: str = "", *overrides: str) -> Settings:
    return parse(text, HERE, overrides)


def complaint(text: str = "", *overrides: str) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def known() -> dict[str, set[str]]:
    sections = get_type_hints(Settings)
    return {name: {one.name for one in fields(cls)} for name, cls in sections.items() if is_dataclass(cls)}


def test_the_reference_file_has_every_field_and_no_other() -> None:
    document = tomllib.loads(REFERENCE.read_text())
    assert {section: set(keys) for section, keys in document.items()} == known()


def test_every_key_of_the_reference_file_has_a_comment() -> None:
    """A comment stands above a key or above the run of keys that it is one of."""
    commented, bare = False, []
    for line in REFERENCE.read_text().splitlines():
        if re.match(r"\w+ *=", line):
            if not commented:
                bare.append(line)
        else:
            commented = line.startswith("#")
    assert not bare


def test_an_empty_file_gives_the_defaults_with_derived_names() -> None:
    got = settings()
    assert got.xmpp.domain == "localhost"
    assert (got.xmpp.guest_domain, got.xmpp.muc) == ("guest.localhost", "conference.localhost")
    assert got.focus.domain == "focus.localhost"
    assert got.turn.realm == "localhost"
    assert got.bridge.advertise == got.bridge.address == ("127.0.0.1",)
    assert got.turn.advertise == "127.0.0.1"
    assert got.front.public_url == "http://127.0.0.1:8080"
    assert got.path == HERE


def test_the_bridge_may_have_addresses_of_both_families_and_be_known_by_others() -> None:
    got = settings('[bridge]\naddress = ["10.0.0.2", "::"]\nadvertise = ["192.0.2.1", "2001:db8::1"]\n')
    assert got.bridge.address == ("10.0.0.2", "::")
    assert got.bridge.advertise == ("192.0.2.1", "2001:db8::1")
    assert settings('[bridge]\naddress = "10.0.0.2"\nadvertise = "192.0.2.1"\n').bridge.advertise == (
        "192.0.2.1",
    )


def test_the_bytestream_proxy_tells_clients_its_addresses_or_names() -> None:
    assert settings().socks5.advertise == ("127.0.0.1",)
    assert settings().socks5.domain == "proxy.localhost"
    got = settings('[socks5]\naddress = ["0.0.0.0", "::"]\nadvertise = ["files.example.org", "192.0.2.1"]\n')
    assert got.socks5.advertise == ("files.example.org", "192.0.2.1")


def test_names_given_are_kept_when_others_are_derived() -> None:
    got = settings('[xmpp]\ndomain = "meet.example"\nguest_domain = "meet.example"\n[turn]\nrealm = "r"\n')
    assert got.xmpp.guest_domain == "meet.example"
    assert got.xmpp.muc == "conference.meet.example"
    assert got.turn.realm == "r"


def test_paths_are_relative_to_the_file() -> None:
    got = settings('[turn]\nsecret_file = "/run/secrets/turn"\ncontrol = ""\n[socks5]\nenabled = false\n')
    assert got.xmpp.secret_file == Path("/etc/carillon/secrets/component")
    assert got.turn.secret_file == Path("/run/secrets/turn")
    assert got.focus.control == "/etc/carillon/run/component.sock"
    assert got.turn.control == ""
    assert got.front.certificate == ""


def test_turn_over_tls_takes_certificate_and_name_of_the_front() -> None:
    pair = 'certificate = "a.pem"\nkey = "a.key"\n'
    assert settings("").turn.tls_port == 0
    for front, turn, host, file in (
        (pair, "", "127.0.0.1", "a.pem"),
        (pair + 'public_url = "https://meet.example.org"\n', "", "meet.example.org", "a.pem"),
        (pair + 'public_url = "https://192.0.2.1"\n', "", "127.0.0.1", "a.pem"),
        (pair, 'tls_host = "turn.example.org"\n', "turn.example.org", "a.pem"),
        ('public_url = "https://meet.example.org"\n', pair, "meet.example.org", "a.pem"),
        (pair, 'certificate = "b.pem"\nkey = "b.key"\n', "127.0.0.1", "b.pem"),
    ):
        got = settings(f"[front]\n{front}[turn]\n{turn}").turn
        assert (got.tls_port, got.tls_host, Path(got.certificate).name) == (5349, host, file)
        assert Path(got.key).name == file.replace("pem", "key")
    assert settings(f"[front]\n{pair}[turn]\ntls_port = 0\n").turn.tls_port == 0


def test_with_a_certificate_the_public_address_is_https() -> None:
    got = settings('[front]\naddress = "::1"\ncertificate = "a.pem"\nkey = "a.key"\n')
    assert got.front.public_url == "https://[::1]:8080"
    assert got.front.key == "/etc/carillon/a.key"


def test_overrides_win_over_the_file() -> None:
    got = settings(
        "[front]\nport = 1\n", "front.port=2", 'turn.allow_peers=["127.0.0.0/8"]', "focus.auto_owner=false"
    )
    assert got.front.port == 2
    assert got.turn.allow_peers == ("127.0.0.0/8",)
    assert got.focus.auto_owner is False


def test_a_whole_number_is_good_for_a_float() -> None:
    got = settings("", "bridge.consent_timeout_s=12")
    assert got.bridge.consent_timeout_s == 12.0
    assert isinstance(got.bridge.consent_timeout_s, float)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('[xmpp]\ndomian = "a"\n', 2, "unknown key domian in [xmpp]; did you mean domain?"),
        ("[xmp]\n", 1, "unknown section [xmp]; did you mean xmpp?"),
        ("\n\n[zzzzzz]\n", 3, "unknown section [zzzzzz]; known: xmpp, focus, "),
        (
            "# c\n[bridge]\nport = 5\nudp_port = 1\n",
            4,
            "unknown key udp_port in [bridge]; it belongs under [turn]",
        ),
        ("[socks5]\nudp_port = 1\n", 2, "unknown key udp_port in [socks5]; it belongs under [turn]"),
        ('[socks5]\naddress = ""\n', 2, "socks5.address must be an IP address or a list of them"),
        ('[socks5]\naddress = "::"\n', 2, "socks5.address is every address: set socks5.advertise"),
        ('[socks5]\nadvertise = ["a b"]\n', 2, "'a b' must be an IP address or the name of a host"),
        ('[turn]\ncontrol = ""\n', 2, "turn.control is missing: streams of the bytestream proxy"),
        ('domain = "a"\n', 1, "domain stands outside of any section; it belongs under [xmpp]"),
        ("xmpp = 3\n", 1, "xmpp stands outside of any section"),
        ('[front]\n\nport = "80"\n', 3, "front.port must be a whole number, not '80'"),
        ("[front]\nport = true\n", 2, "front.port must be a whole number, not True"),
        ("[front]\nport = 65536\n", 2, "front.port must be a port, 1 to 65535"),
        ("front.port = 0\n", 1, "front.port must be a port"),
        ("[front]\n'port' = 0\n", 2, "front.port must be a port"),
        ("[focus]\nauto_owner = 1\n", 2, "focus.auto_owner must be true or false"),
        ("[focus]\ninitial_timeout_s = -1.0\n", 2, "focus.initial_timeout_s must be more than 0"),
        ("[focus]\ninitial_timeout_s = inf\n", 2, "focus.initial_timeout_s must be a number"),
        ("[focus]\nmax_sources = 1.5\n", 2, "focus.max_sources must be a whole number"),
        ('[focus]\nbridge = "127.0.0.1:80"\n', 2, "focus.bridge must be an address that begins with http"),
        ('[bridge]\nwebsocket_url = "http://a/"\n', 2, "begins with ws:// or wss://"),
        ('[bridge]\nrest = "8083"\n', 2, 'bridge.rest must be "address:port"'),
        ('[bridge]\naddress = "example.org"\n', 2, "bridge.address 'example.org' must be an IP address"),
        ("[bridge]\naddress = []\n", 2, "bridge.address must be an IP address or a list of them"),
        ("[bridge]\naddress = 4\n", 2, "bridge.address must be an IP address or a list of them"),
        ('[bridge]\naddress = ["::1", "::1"]\n', 2, "bridge.address names an address twice"),
        (
            '[bridge]\nadvertise = "::1"\n',
            2,
            "names an address of a family, IPv4 or IPv6, that bridge.address lacks",
        ),
        ('[bridge]\naddress = "0.0.0.0"\n', 2, "bridge.address is every address: set bridge.advertise"),
        ('[turn]\nadvertise = "::"\n', 2, "turn.advertise is every address"),
        (
            '[turn]\nallow_peers = ["10.0.0.1/8"]\n',
            2,
            "needs networks like 10.0.0.0/8 (10.0.0.1/8 has host bits set)",
        ),
        ("[turn]\nallow_peers = [1]\n", 2, "turn.allow_peers must be a list of texts"),
        ('[turn]\nbridges = ["10.0.0.1"]\n', 2, 'must be "address:port"'),
        ("[turn]\nrelay_ports = [5, 4]\n", 2, "must be a first and a last port"),
        ("[turn]\nrelay_ports = [5]\n", 2, "must be a list of two whole numbers"),
        ("[turn]\ncredential_ttl_s = 172801\n", 2, "is longer than turn.max_credential_ttl_s accepts"),
        ("[turn]\ncredentials_per_user = 1\n", 2, "must be 2 or more, not 1"),
        ('[turn]\nsecret_file = ""\n', 2, "turn.secret_file must be the name of a file"),
        ('[xmpp]\ndomain = "a@b"\n', 2, "xmpp.domain must be a domain name in lower case"),
        ('[xmpp]\ndomain = "Example.org"\n', 2, "xmpp.domain must be a domain name in lower case"),
        ('[xmpp]\ndomain = "a\\nb"\n', 2, "xmpp.domain must be a text of printable characters"),
        ('[turn]\ncertificate = "c"\n', 0, "turn.key is missing: TLS needs both"),
        ("[turn]\ntls_port = -1\n", 2, "must be a port, 1 to 65535, or 0 for none, not -1"),
        ('[front]\nkey = "k"\n', 0, "front.certificate is missing: TLS needs both"),
        ('[front]\norigins = ["https://a/b"]\n', 2, "front.origins 'https://a/b': "),
        ('[log]\nlevel = "verbose"\n', 2, "log.level must be one of debug, info, warning, error"),
        ("[log]\nlevel = {}\n", 2, "log.level must be a text"),
        ("[log\n", 0, "line 1"),
        ("[log]\n[log]\n", 0, "line 2"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    message = complaint(text)
    assert says in message
    if line:
        assert message.startswith(f"{HERE}:{line}: ")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("front.port", "write it as section.key=VALUE"),
        ("port=1", "write it as section.key=VALUE"),
        ("=", "write it as section.key=VALUE"),
        ("frnt.port=1", "unknown section [frnt]; did you mean front?"),
        ("front.prt=1", "unknown key prt in [front]; did you mean port?"),
        ("xmpp.domain=example.org", "a text needs quotes: --set 'xmpp.domain=\"…\"'"),
        ("front.port=1\nkey=2", "not a TOML value"),
        ("front.port=", "not a TOML value"),
        ("front.port=99999", "front.port must be a port"),
        ("front.port=" + "[" * 5000, "not a TOML value"),
    ],
)
def test_a_wrong_override_is_refused_with_its_text(override: str, says: str) -> None:
    message = complaint("", override)
    assert says in message
    assert message.startswith(f"--set {override!r}"[:40])


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"\x00"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "carillon.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=re.escape(str(file))):
        load(file)


def test_overrides_become_a_table() -> None:
    assert override_values(("front.port=2", 'front.origins=["https://a"]', "log.level='info'")) == {
        "front": {"port": 2, "origins": ["https://a"]},
        "log": {"level": "info"},
    }


@given(st.text(max_size=200))
def test_no_text_escapes_but_as_settings_error(text: str) -> None:
    for arguments in ((text,), ("", text), ("", f"front.port={text}"), (f"[front]\nport = {text}",)):
        try:
            settings(arguments[0], *arguments[1:])
        except SettingsError as error:
            assert str(error)


def test_a_secret_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("  abc\n")
    file.chmod(0o640)
    assert read_secret(file) == "abc"


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (None, 0, "cannot be read: No such file or directory: `openssl"),
        (b"", 0o600, "is empty"),
        (b" \n", 0o600, "is empty"),
        (b"abc\n", 0o644, "is open to everybody"),
        (b"abc\n", 0o602, "is open to everybody"),
        (b"two\nlines\n", 0o600, "must hold one line"),
        (b"x" * 5000, 0o600, "must hold one line"),
        ("ß".encode(), 0o600, "must hold one line"),
    ],
)
def test_a_bad_secret_file_is_refused(tmp_path: Path, content: bytes | None, mode: int, says: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(SettingsError, match=says):
        read_secret(file)
