"""`carillon dev` with a real XMPP server and stub parts: the directory, the accounts, the ports, the end."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from carillon.certificate import LIFE, make_self_signed
from carillon.layout import own_address
from carillon.part import PARTS
from tests.carillon.xmpp_login import LoginError, Stream, anonymous_login, scram_login
from tests.dev_server import DevServer, DevServerError
from tests.ports import free_base_port

GUESTS = {"prosody": "guest.localhost", "ejabberd": "localhost"}
"""Where each server lets guests in."""

ON_BOTH = pytest.mark.parametrize("xmpp", GUESTS)

STUB_DEV = (sys.executable, str(Path(__file__).with_name("stub_dev.py")))


def dev(directory: Path, *options: str, base_port: int | None = None) -> DevServer:
    return DevServer(directory, *options, base_port=base_port, start_timeout_s=30, command=STUB_DEV)


def until(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def processes_of(directory: Path) -> list[str]:
    """The command lines of all processes that name the directory."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found


def c2s(server: DevServer) -> tuple[str, int]:
    host, port = server.endpoints["c2s"]
    return host, port


def test_endpoints_say_where_everything_is(tmp_path: Path) -> None:
    with dev(tmp_path / "d", "--domain", "meet.example") as server:
        n, found = server.base_port, server.endpoints
        secrets = tmp_path / "d" / "secrets"
        pids = found.pop("pids")
        control = found.pop("control")
        assert found == {
            "config": str(tmp_path / "d" / "carillon.toml"),
            "domain": "meet.example",
            "guest_domain": "guest.meet.example",
            "muc": "conference.meet.example",
            "focus": "focus.meet.example",
            "calls": "calls.meet.example",
            "proxy": "proxy.meet.example",
            "http": f"http://127.0.0.1:{n}",
            "bosh": f"http://127.0.0.1:{n}/http-bind",
            "websocket": f"ws://127.0.0.1:{n}/xmpp-websocket",
            "c2s": ["127.0.0.1", n + 1],
            "component": ["127.0.0.1", n + 2, str(secrets / "component")],
            "turn": {
                "host": "127.0.0.1",
                "udp": n + 5,
                "tcp": n + 5,
                "tls": n + 6,
                "secret_file": str(secrets / "turn"),
            },
            "socks5": ["127.0.0.1", n + 7],
            "bridge": {"rest": f"http://127.0.0.1:{n + 3}", "media": ["127.0.0.1", n + 4]},
            "bridges": {},
        }
        assert set(pids) == {"xmpp", *PARTS}
        assert set(control) == set(PARTS)
        assert all(Path(path).is_socket() for path in control.values())
        assert f"http://127.0.0.1:{n}/meeting" in server.log()


@ON_BOTH
def test_guests_and_accounts_log_in_and_a_restart_keeps_them(tmp_path: Path, xmpp: str) -> None:
    choice = ("--server", xmpp)
    server = dev(tmp_path / "d", *choice, "--user", "alice:wonder land", "--user", "bob.é:pass:wörd")
    with server:
        assert server.endpoints["guest_domain"] == GUESTS[xmpp]
        assert f"@{GUESTS[xmpp]}/" in anonymous_login(c2s(server), GUESTS[xmpp])
        assert scram_login(c2s(server), "localhost", "alice", "wonder land").startswith("alice@localhost/")
        assert scram_login(c2s(server), "localhost", "bob.é", "pass:wörd").startswith("bob.é@localhost/")
        with pytest.raises(LoginError, match="not-authorized"):
            scram_login(c2s(server), "localhost", "alice", "wrong")
        if xmpp == "prosody":
            with pytest.raises(LoginError):
                anonymous_login(c2s(server), "localhost")
        secrets = {path: path.read_text() for path in (tmp_path / "d" / "secrets").iterdir()}
    assert len(secrets) == 2
    assert len(set(secrets.values())) == 2
    with dev(tmp_path / "d", *choice, "--user", "carol:c", base_port=server.base_port) as again:
        assert {path: path.read_text() for path in secrets} == secrets
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in secrets)
        assert scram_login(c2s(again), "localhost", "alice", "wonder land")
        assert scram_login(c2s(again), "localhost", "carol", "c")
    with dev(tmp_path / "d", *choice, "--user", "alice:new") as changed:
        assert scram_login(c2s(changed), "localhost", "alice", "new")
        with pytest.raises(LoginError):
            scram_login(c2s(changed), "localhost", "alice", "wonder land")


@ON_BOTH
def test_the_server_listens_where_it_is_told_and_nowhere_else(tmp_path: Path, xmpp: str) -> None:
    with dev(tmp_path / "d", "--server", xmpp) as server:
        pid = server.endpoints["pids"]["xmpp"]
        inodes = {
            str(link.readlink())[len("socket:[") : -1]
            for link in Path(f"/proc/{pid}/fd").iterdir()
            if "socket" in str(link.readlink())
        }
        rows = [
            line.split()
            for kind in ("tcp", "tcp6")
            for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]
        ]
        listening = {row[1] for row in rows if row[3] == "0A" and row[9] in inodes}
        loopback = "0100007F"
        assert listening == {f"{loopback}:{server.base_port + offset:04X}" for offset in (1, 2)}


@ON_BOTH
def test_the_server_may_listen_on_another_address_than_loopback(tmp_path: Path, xmpp: str) -> None:
    override = f'xmpp.server="{own_address(4)}"'
    with dev(tmp_path / "d", "--server", xmpp, "--set", override) as server:
        assert anonymous_login(c2s(server), GUESTS[xmpp])


def test_prosody_tells_its_users_where_the_relay_is_with_modules_of_its_own_alone(tmp_path: Path) -> None:
    guests = GUESTS["prosody"]
    with dev(tmp_path / "d") as server, Stream(c2s(server), guests) as stream:
        stream.ask("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", "<success")
        stream.bind()
        query = f"<iq type='get' id='x' to='{guests}'><services xmlns='urn:xmpp:extdisco:2'/></iq>"
        answer = stream.ask(query, "</iq>")
        services = re.findall("<service [^>]*>", answer)
        turn = [service for service in services if "type='turn" in service]
        kinds = [re.findall("(?:type|transport|port)='([^']*)'", service) for service in turn]
        port = server.base_port + 5
        assert sorted(map(sorted, kinds)) == sorted(
            map(
                sorted,
                (["turn", "udp", str(port)], ["turn", "tcp", str(port)], ["turns", "tcp", str(port + 1)]),
            )
        )
        for service in turn:
            assert "host='127.0.0.1'" in service
            assert re.search(r"username='\d{10}'", service)
            assert "password='" in service
        log = (tmp_path / "d" / "prosody" / "prosody.log").read_text()
        assert "delegation" not in log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_soon(tmp_path: Path, number: signal.Signals) -> None:
    server = dev(tmp_path / "d")
    with server:
        assert len(processes_of(tmp_path)) == 2 + len(PARTS)
        begin = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - begin < 5
    assert not processes_of(tmp_path)
    assert not server.endpoints_file.exists()
    assert not list((tmp_path / "d" / "run").iterdir())


@ON_BOTH
def test_nothing_outlives_a_killed_dev_and_the_next_one_starts(tmp_path: Path, xmpp: str) -> None:
    server = dev(tmp_path / "d", "--server", xmpp)
    with server:
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: not processes_of(tmp_path))
    with dev(tmp_path / "d", "--server", xmpp, base_port=server.base_port):
        pass


@pytest.mark.parametrize(("xmpp", "name"), [("prosody", "xmpp"), ("prosody", "bridge"), ("ejabberd", "xmpp")])
def test_what_dies_comes_back_and_endpoints_say_its_new_process(tmp_path: Path, xmpp: str, name: str) -> None:
    with dev(tmp_path / "d", "--server", xmpp) as server:
        before = server.endpoints["pids"]
        os.kill(before[name], signal.SIGKILL)
        until(lambda: server.endpoints["pids"] != before)
        after = server.endpoints["pids"]
        assert {key for key in after if after[key] != before[key]} == {name}
        assert anonymous_login(c2s(server), GUESTS[xmpp])


def test_two_run_side_by_side(tmp_path: Path) -> None:
    base = free_base_port()
    with dev(tmp_path / "a", base_port=base) as first, dev(tmp_path / "b", base_port=base + 300) as second:
        assert anonymous_login(c2s(first), "guest.localhost")
        assert anonymous_login(c2s(second), "guest.localhost")


def refusal(*arguments: object, directory: Path) -> tuple[int, str]:
    """The exit status and the words of a `carillon dev` that does not start."""
    argv = [*STUB_DEV, "--dir", str(directory), *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("offset", "kind", "what"),
    [
        (0, socket.SOCK_STREAM, "the HTTP front"),
        (2, socket.SOCK_STREAM, "the XMPP server's component port"),
        (4, socket.SOCK_DGRAM, "the bridge's media"),
        (5, socket.SOCK_DGRAM, "TURN over UDP"),
    ],
)
def test_a_port_in_use_is_named(tmp_path: Path, offset: int, kind: socket.SocketKind, what: str) -> None:
    base = free_base_port()
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", base + offset))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        status, words = refusal("--base-port", base, directory=tmp_path / "d")
    assert status == 1
    assert (
        f" port {base + offset} of 127.0.0.1, needed for {what}, cannot be used: Address already in use"
        in words
    )


def test_a_second_one_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    with dev(tmp_path / "d") as server:
        status, words = refusal("--base-port", server.base_port + 300, directory=tmp_path / "d")
        assert (status, words) == (
            1,
            f"carillon: another carillon dev (pid {server.pid}) runs in {tmp_path / 'd'}\n",
        )
        assert server.endpoints_file.exists()


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refusal(directory=tmp_path / "file") == (1, f"carillon: {tmp_path / 'file'}: File exists\n")
    assert refusal(directory=tmp_path / "file" / "d") == (
        1,
        f"carillon: {tmp_path / 'file' / 'd'}: Not a directory\n",
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--base-port", "65400"], "--base-port must be between 1 and 65236"),
        (["--address", "localhost"], "--address must be an IP address, not 'localhost'"),
        (["--address", "0.0.0.0"], "bridge.address is every address: set bridge.advertise"),
        (["--http-address", ""], "--http-address must be an IP address"),
        (["--user", "alice"], "--user must be name:password"),
        (["--user", "Alice:a"], "--user must be name:password"),
        (["--user", "a@b:c"], "--user must be name:password"),
        (["--domain", "a b"], "xmpp.domain must be a domain name"),
        (["--set", "front.prt=1"], "--set 'front.prt=1': unknown key prt in [front]; did you mean port?"),
        (["--set", "front.port=0"], "--set 'front.port=0': front.port must be a port"),
    ],
)
def test_a_wrong_option_is_refused_in_words(tmp_path: Path, arguments: list[str], says: str) -> None:
    status, words = refusal(*arguments, directory=tmp_path / "d")
    assert status == 2
    assert says in words
    assert len(words.splitlines()) == 1


@ON_BOTH
def test_an_override_reaches_the_generated_configuration_and_the_server(tmp_path: Path, xmpp: str) -> None:
    base = free_base_port()
    overrides = (f"turn.tcp_port={base + 9}", "turn.tls_port=0", "xmpp.guest_domain='visitors.x'")
    sets = [word for override in overrides for word in ("--set", override)]
    with dev(tmp_path / "d", "--server", xmpp, *sets, base_port=base) as server:
        assert server.endpoints["turn"]["tcp"] == base + 9
        assert f"tcp_port = {base + 9}" in Path(server.endpoints["config"]).read_text()
        assert anonymous_login(c2s(server), "visitors.x")


def test_settings_of_the_environment_are_ignored_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARILLON_FRONT_PORT", "1")
    monkeypatch.setenv("CARILLON_CONFIG", "/nonexistent")
    monkeypatch.setenv("CARILLON_NONSENSE", "x")
    with dev(tmp_path / "d") as server:
        assert server.endpoints["http"] == f"http://127.0.0.1:{server.base_port}"
        assert 'variables="CARILLON_CONFIG CARILLON_FRONT_PORT CARILLON_NONSENSE"' in server.log()


def test_a_directory_with_a_very_long_name_works_and_leaves_nothing_in_tmp(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30) / "d"
    with dev(directory) as server:
        sockets = [Path(path) for path in server.endpoints["control"].values()]
        assert all(path.is_socket() for path in sockets)
        assert sockets[0].parent.parent == Path(tempfile.gettempdir())
        assert sockets[0].parent.stat().st_mode & 0o777 == 0o700
    assert not sockets[0].parent.exists()


@ON_BOTH
def test_a_directory_with_odd_characters_works(tmp_path: Path, xmpp: str) -> None:
    with dev(tmp_path / 'a "b" $c \\ é [[', "--server", xmpp) as server:
        assert anonymous_login(c2s(server), GUESTS[xmpp])


def test_pages_for_other_machines_get_https_with_a_certificate_for_the_address(tmp_path: Path) -> None:
    with dev(tmp_path / "d", "--http-address", "0.0.0.0") as server:
        http, websocket = server.endpoints["http"], server.endpoints["websocket"]
        host = http.removeprefix("https://").rpartition(":")[0]
        assert http == f"https://{host}:{server.base_port}"
        assert websocket == f"wss://{host}:{server.base_port}/xmpp-websocket"
        assert f"wss://{host}:{server.base_port}/colibri-ws" in Path(server.endpoints["config"]).read_text()
        certificate = tmp_path / "d" / "certs" / "front.pem"
        ssl.create_default_context(cafile=str(certificate)).load_cert_chain(
            certificate, certificate.with_suffix(".key")
        )
        assert "self-signed" in server.log()
        assert LIFE.days < 398


def test_a_part_that_cannot_start_ends_it_all(tmp_path: Path) -> None:
    with pytest.raises(
        DevServerError, match=r"ended with status 1:\n[^$]*carillon: relay does not start"
    ) as caught:
        dev(tmp_path / "d", "--relay", "refuses").start()
    assert "port 1 is in use" in str(caught.value)
    assert not processes_of(tmp_path)


def test_endpoints_left_by_a_killed_one_are_removed_before_anything_starts(tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    (directory / "endpoints.json").write_text(json.dumps({"pids": {"xmpp": 1}}))
    base = free_base_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base))
        taken.listen()
        refusal("--base-port", base, directory=directory)
    assert not (directory / "endpoints.json").exists()


def test_the_real_parts_come_up_come_back_and_go(tmp_path: Path) -> None:
    """The command as people type it: each part is killed once, then Ctrl-C."""
    with DevServer(tmp_path / "d", "--address", "::1", "--http-address", "::1") as server:
        before = server.endpoints["pids"]
        with urllib.request.urlopen(server.url("carillon.json"), timeout=10) as response:
            assert json.load(response)["focus"] == "focus.localhost"
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        until(lambda: not set(server.endpoints["pids"].values()) & set(before.values()), 30)
        with urllib.request.urlopen(server.url("room"), timeout=10) as response:
            assert response.status == 200
        assert server.stop(signal.SIGINT) == 0
    assert "Traceback" not in server.log()
    assert not processes_of(tmp_path)


def test_the_real_front_speaks_https_to_other_machines(tmp_path: Path) -> None:
    with DevServer(tmp_path / "d", "--http-address", "0.0.0.0") as server:
        trust = ssl.create_default_context(cafile=str(tmp_path / "d" / "certs" / "front.pem"))
        with urllib.request.urlopen(server.url("carillon.json"), timeout=10, context=trust) as response:
            assert json.load(response)["websocket"].partition("?")[0] == server.endpoints["websocket"]


def shown(host: str, port: int) -> str:
    """The certificate that a server shows, as PEM."""
    return ssl.get_server_certificate((host, port), timeout=10).strip()


def test_sighup_gives_the_real_parts_a_new_certificate(tmp_path: Path) -> None:
    with DevServer(tmp_path / "d", "--http-address", "0.0.0.0") as server:
        pem, key = tmp_path / "d" / "certs" / "front.pem", tmp_path / "d" / "certs" / "front.key"
        host = urlsplit(server.endpoints["http"]).hostname or ""
        ports = [(host, server.base_port), ("127.0.0.1", server.endpoints["turn"]["tls"])]
        old, pids = pem.read_text().strip(), server.endpoints["pids"]
        assert {shown(*port) for port in ports} == {old}
        make_self_signed(pem, key, ("localhost", "127.0.0.1", host))
        new = pem.read_text().strip()
        assert {shown(*port) for port in ports} == {old} != {new}
        os.kill(server.pid, signal.SIGHUP)
        until(lambda: {shown(*port) for port in ports} == {new})
        assert server.endpoints["pids"] == pids
        assert server.stop() == 0


def test_a_terminal_that_goes_away_ends_it(tmp_path: Path) -> None:
    """SIGHUP from outside is for reloading; from a terminal that is closed it is the end."""
    terminal, slave = pty.openpty()
    directory, log = tmp_path / "d", tmp_path / "log"
    # As the leader of a session that has this terminal.
    argv = ("setsid", "--ctty", *STUB_DEV, "--dir", str(directory), "--base-port", str(free_base_port()))
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdin=slave, stdout=output, stderr=output)
    os.close(slave)
    try:
        until((directory / "endpoints.json").exists, 30)
        process.send_signal(signal.SIGHUP)
        until(lambda: "SIGHUP is passed on" in log.read_text())
        assert process.poll() is None
        os.close(terminal)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
    assert not processes_of(tmp_path)
