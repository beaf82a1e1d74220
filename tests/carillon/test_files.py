"""Small things: TOML as it is written, private files, certificates, the layout."""

from __future__ import annotations

import ipaddress
import socket
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from carillon import certificate, layout, toml
from carillon.files import write_private
from carillon.layout import Listener, Options
from carillon.settings import SettingsError

SIMPLE = (
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
)


@given(SIMPLE | st.lists(SIMPLE, max_size=4))
def test_what_is_written_as_toml_is_read_again(value: object) -> None:
    assert tomllib.loads(toml.dumps({"section": {"key": value}, "empty": {}})) == {
        "section": {"key": value},
        "empty": {},
    }


def test_no_setting_is_of_another_kind() -> None:
    with pytest.raises(TypeError, match="no setting is a NoneType"):
        toml.value_text(None)


def test_a_private_file_is_whole_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "x"
    write_private(file, "one")
    write_private(file, "two")
    assert file.read_text() == "two"
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UnicodeEncodeError):
        write_private(file, "\ud800")
    assert file.read_text() == "two"
    assert list(tmp_path.iterdir()) == [file]


def names(file: Path) -> set[str]:
    found = x509.load_pem_x509_certificate(file.read_bytes())
    alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in alternative}


def test_a_certificate_is_kept_while_it_is_good(tmp_path: Path) -> None:
    pem, key = tmp_path / "certs" / "front.pem", tmp_path / "certs" / "front.key"
    now = datetime.now(UTC)

    def made(*addresses: str, later: timedelta = timedelta()) -> bool:
        before = pem.read_bytes() if pem.exists() else b""
        certificate.ensure(pem, key, ("localhost", *addresses), now + later)
        assert {"localhost", *map(str, map(ipaddress.ip_address, addresses))} == names(pem)
        assert key.stat().st_mode & 0o777 == 0o600
        return pem.read_bytes() != before

    assert made("192.0.2.1")
    assert not made("192.0.2.1")
    assert not made("192.0.2.1", later=timedelta(days=300))
    assert made("192.0.2.1", later=timedelta(days=340))
    assert made("2001:db8::1")
    key.unlink()
    assert made("2001:db8::1")
    pem.write_text("garbage")
    assert made("2001:db8::1")


@pytest.mark.parametrize(
    ("address", "https"),
    [("127.0.0.1", False), ("127.0.0.9", False), ("::1", False), ("192.0.2.1", True), ("0.0.0.0", True)],
)
def test_only_loopback_goes_without_https(tmp_path: Path, address: str, https: bool) -> None:
    _, found = layout.settings(Options(tmp_path, http_address=address), tmp_path / "c.toml", tmp_path)
    scheme, ws = ("https://", "wss://") if https else ("http://", "ws://")
    assert found.front.public_url.startswith(scheme)
    assert found.bridge.websocket_url.startswith(ws)
    assert bool(found.front.certificate) == https
    assert "0.0.0.0" not in found.front.public_url


def test_an_ipv6_address_stands_in_brackets(tmp_path: Path) -> None:
    _, found = layout.settings(
        Options(tmp_path, http_address="::1", address="::1"), tmp_path / "c.toml", tmp_path
    )
    assert found.front.public_url == "http://[::1]:8080"
    assert found.bridge.address == ("::1",)


def test_the_ports_stand_where_the_layout_says(tmp_path: Path) -> None:
    _, found = layout.settings(Options(tmp_path, base_port=20000), tmp_path / "c.toml", tmp_path)
    assert [listener.port - 20000 for listener in layout.listeners(found)] == [0, 1, 2, 3, 4, 4, 5, 5, 6, 7]
    assert found.turn.relay_ports == (20100, 20299)
    assert found.focus.bridge == ("http://127.0.0.1:20003",)


def test_a_port_that_this_machine_does_not_have_is_an_obstacle() -> None:
    assert "cannot be used" in str(layout.obstacle(Listener("x", "192.0.2.1", 9, socket.SOCK_DGRAM)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    assert layout.obstacle(Listener("x", "127.0.0.1", free, socket.SOCK_STREAM)) is None


def test_an_override_cannot_break_out_of_the_generated_file(tmp_path: Path) -> None:
    options = Options(tmp_path, overrides=('xmpp.secret_file="a\\"]\\\\ b"',))
    text, found = layout.settings(options, tmp_path / "c.toml", tmp_path)
    assert found.xmpp.secret_file == tmp_path / 'a"]\\ b'
    assert tomllib.loads(text)["xmpp"]["secret_file"] == 'a"]\\ b'
    with pytest.raises(SettingsError, match="the name of a file"):
        layout.settings(
            Options(tmp_path, overrides=('xmpp.secret_file="a\\n"',)), tmp_path / "c.toml", tmp_path
        )
