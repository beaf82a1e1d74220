"""`carillon check` on set-ups that are really broken: its first line names the cause."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from carillon.certificate import LIFE, make_self_signed
from carillon.settings import load
from tests.carillon.checked import OtherServer, check, listens, other_server, part, process
from tests.dev_server import ON_BOTH_SERVERS, DevServer
from tests.e2e.netns import Host
from tests.ports import free_port

FURTHER = """
Component "unowned.localhost" "muc"
  muc_room_locking = false
Component "closed.localhost" "muc"
  restrict_room_creation = true
Component "locked.localhost" "muc"
  admins = { "focus@focus.localhost" }
  restrict_room_creation = true
"""
"""MUC services where something is missing, beside the good one."""

BLOCKED = """
table inet blocked {
  chain input { type filter hook input priority 0; udp dport PORT drop; }
}
"""


@pytest.fixture
def config(deployment: DevServer) -> Path:
    return Path(deployment.endpoints["config"])


@pytest.fixture(scope="module")
def prosody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherServer]:
    with other_server("prosody", tmp_path_factory.mktemp("prosody"), FURTHER) as server:
        yield server


@pytest.fixture(scope="module")
def ejabberd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherServer]:
    with other_server("ejabberd", tmp_path_factory.mktemp("ejabberd")) as server:
        yield server


@ON_BOTH_SERVERS
def test_a_healthy_deployment_has_no_error(deployment: DevServer, config: Path) -> None:
    done = check(config)
    assert done.status == 0
    assert done.complaints == []


def test_json_has_every_finding(deployment: DevServer, config: Path) -> None:
    done = check(config, "relay", "--json")
    told = json.loads(done.output)
    assert told["status"] == "ok"
    assert {one["part"] for one in told["findings"]} == {"configuration", "certificates", "relay"}
    assert {"TURN over UDP", "TURN over TCP", "TURN over TLS"} <= {one["subject"] for one in told["findings"]}


def wrong_secret(directory: Path) -> str:
    path = directory / "wrong"
    path.touch(mode=0o600)
    path.write_text("another secret\n")
    return f"xmpp.secret_file='{path}'"


def test_wrong_secret(prosody: OtherServer, config: Path, tmp_path: Path) -> None:
    done = check(config, overrides=(*prosody.overrides, wrong_secret(tmp_path)))
    assert done.status == 1
    assert done.first_line.startswith(
        "error    component: handshake: the XMPP server refuses the secret for focus.localhost:"
        f" it has another one than {tmp_path}/wrong"
    )


def test_wrong_secret_on_ejabberd(ejabberd: OtherServer, config: Path, tmp_path: Path) -> None:
    done = check(config, "component", overrides=(*ejabberd.overrides, wrong_secret(tmp_path)))
    assert done.status == 1
    assert "the XMPP server refuses the secret for focus.localhost" in done.first_line


def test_host_not_configured(prosody: OtherServer, config: Path) -> None:
    done = check(config, overrides=(*prosody.overrides, "focus.domain='elsewhere.localhost'"))
    assert done.status == 1
    assert done.first_line == (
        "error    component: handshake: the XMPP server knows no component elsewhere.localhost"
    )


def test_host_not_configured_on_ejabberd(ejabberd: OtherServer, config: Path) -> None:
    done = check(config, "component", overrides=(*ejabberd.overrides, "focus.domain='elsewhere.localhost'"))
    assert done.status == 1
    assert "the XMPP server knows no component elsewhere.localhost" in done.first_line


ELSEWHERE = ("xmpp.domain='elsewhere.localhost'", "focus.domain='focus.localhost'")
"""A domain that the servers do not serve, beside a component that they know."""


def test_the_domain_is_not_served(prosody: OtherServer, config: Path) -> None:
    done = check(config, "component", overrides=(*prosody.overrides, *ELSEWHERE))
    assert done.status == 1
    assert done.first_line == (
        "error    component: domain: the XMPP server does not serve elsewhere.localhost, which is xmpp.domain"
    )


def test_the_domain_is_not_served_by_ejabberd(ejabberd: OtherServer, config: Path) -> None:
    done = check(config, "component", overrides=(*ejabberd.overrides, *ELSEWHERE))
    assert done.status == 1
    assert "the XMPP server does not serve elsewhere.localhost" in done.first_line


@pytest.mark.parametrize("muc", ["unowned", "closed"])
def test_focus_is_not_admin(prosody: OtherServer, config: Path, muc: str) -> None:
    done = check(config, overrides=(*prosody.overrides, f"xmpp.muc='{muc}.localhost'"))
    assert done.status == 1
    assert done.first_line.startswith(
        f"error    component: MUC rights: focus@focus.localhost is no administrator of {muc}.localhost"
    )


def test_room_locking_is_on(prosody: OtherServer, config: Path, tmp_path: Path) -> None:
    control = f"focus.control='{tmp_path}/component.sock'"
    overrides = (*prosody.overrides, "xmpp.muc='locked.localhost'", control)
    with part("component", config, tmp_path, *overrides):  # this time a component runs, and is asked
        done = check(config, overrides=overrides)
    assert done.status == 1
    assert len(done.complaints) == 2, done.output
    assert done.first_line.startswith(
        "error    component: room locking: new rooms on locked.localhost are locked"
    )


def test_no_xmpp_server(config: Path) -> None:
    overrides = ("link.enabled=false", "focus.control='run/none.sock'", f"xmpp.component_port={free_port()}")
    done = check(config, "component", overrides=(*overrides, f"xmpp.c2s_port={free_port()}"))
    assert done.status == 1
    assert "component: handshake: nothing answers at 127.0.0.1:" in done.first_line


def faketime(offset: str) -> tuple[str, ...]:
    """Words before a command that then lives at another time."""
    program = shutil.which("faketime")
    assert program, "faketime is missing: install Debian's package faketime"
    return program, "-f", offset


def test_the_clock_of_the_server_is_off(config: Path, tmp_path: Path) -> None:
    with other_server("prosody", tmp_path, before=faketime("+10m")) as server:
        done = check(config, overrides=server.overrides)
    assert done.status == 1
    assert done.first_line == (
        "error    component: clock: the clock of the XMPP server is 10 min ahead of this machine's"
    )


def test_the_clock_of_this_machine_is_off(config: Path) -> None:
    done = check(config, within=faketime("+10m"))
    assert done.status == 1
    assert done.first_line == (
        "error    component: clock: the clock of the XMPP server is 10 min behind this machine's"
    )


def test_secret_file_is_not_readable(config: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    secret.chmod(0)
    # Root reads everything, unless it gives that right away.
    without = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    done = check(config, within=without, overrides=(f"turn.secret_file='{secret}'",))
    assert done.status == 1
    assert done.first_line.startswith(
        f"error    configuration: turn.secret_file: the secret file {secret} cannot be read:"
        " Permission denied for user "
    )


def test_a_configuration_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "carillon.toml"
    path.write_text("[turn]\nudp_prot = 1\n")
    done = check(path)
    assert done.status == 2
    assert f"{path}:2: unknown key udp_prot in [turn]; did you mean udp_port?" in done.first_line


def test_the_bridge_advertises_a_wrong_address(config: Path, tmp_path: Path) -> None:
    media, rest = free_port(), free_port()
    overrides = (
        f"bridge.port={media}",
        f"bridge.rest='127.0.0.1:{rest}'",
        f"focus.bridge='http://127.0.0.1:{rest}'",
        "bridge.advertise='127.0.0.77'",
        f"bridge.control='{tmp_path}/bridge.sock'",
    )
    with part("bridge", config, tmp_path, *overrides):
        done = check(config, overrides=overrides)
    assert done.status == 1
    assert done.first_line == (
        "error    bridge: media over UDP at 127.0.0.77: the bridge does not answer over UDP at"
        f" 127.0.0.77:{media}, the address that clients are told, but it does at 127.0.0.1"
    )


def test_the_certificate_has_expired(config: Path, tmp_path: Path) -> None:
    pem, key, port = tmp_path / "front.pem", tmp_path / "front.key", free_port()
    make_self_signed(pem, key, ("127.0.0.1",), datetime.now(UTC) - LIFE - timedelta(days=1))
    overrides = (
        f"front.port={port}",
        f"front.public_url='https://127.0.0.1:{port}'",
        f"bridge.websocket_url='wss://127.0.0.1:{port}/colibri-ws'",
        f"front.certificate='{pem}'",
        f"front.key='{key}'",
        f"front.control='{tmp_path}/front.sock'",
    )
    with part("front", config, tmp_path, *overrides):
        done = check(config, overrides=overrides)
    assert done.status == 1
    assert done.first_line.startswith(
        f"error    certificates: front.certificate: the certificate {pem} has expired on "
    )
    assert len(done.complaints) == 2, done.output


NGINX = """
user root;
daemon off; worker_processes 1; pid {directory}/pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/a; proxy_temp_path {directory}/b; fastcgi_temp_path {directory}/c;
  uwsgi_temp_path {directory}/d; scgi_temp_path {directory}/e;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{front}; }}
  }}
}}
"""
"""What people write who have not read how WebSockets pass nginx."""


def test_a_proxy_drops_upgrades(config: Path, tmp_path: Path) -> None:
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert nginx, "nginx is missing: install Debian's package nginx-light"
    port, front = free_port(), free_port()
    text = NGINX.format(directory=tmp_path, port=port, front=front)
    (tmp_path / "nginx.conf").write_text(text if os.geteuid() == 0 else text.replace("user root;", ""))
    overrides = (
        f"front.port={front}",
        f"front.public_url='http://127.0.0.1:{port}'",
        f"front.control='{tmp_path}/front.sock'",
    )
    argv = (nginx, "-p", str(tmp_path), "-e", "stderr", "-c", str(tmp_path / "nginx.conf"))
    with (
        part("front", config, tmp_path, *overrides),
        process(argv, listens(port), tmp_path / "nginx.log"),
    ):
        done = check(config, overrides=overrides)
    assert done.status == 1
    assert done.first_line.startswith(
        "error    front: WebSocket: the WebSocket upgrade does not reach the front through"
        f" http://127.0.0.1:{port}: the proxy before it drops it"
    )


def test_the_turn_port_is_blocked(config: Path, tmp_path: Path) -> None:
    overrides = (f"turn.control='{tmp_path}/relay.sock'",)
    host = Host(f"carillon{os.getpid()}-check")
    port = load(config).turn.udp_port
    try:
        host.rules(BLOCKED, PORT=str(port))
        with part("relay", config, tmp_path, *overrides, within=host.argv()):
            done = check(config, "relay", within=host.argv(), overrides=overrides)
    finally:
        host.close()
    assert done.status == 1
    assert done.first_line.startswith(
        f"error    relay: TURN over UDP: nothing answers at 127.0.0.1:{port}: UDP port {port} is blocked"
    )
    assert len(done.complaints) == 2, done.output


def test_nothing_runs(tmp_path: Path) -> None:
    for name in ("component", "turn"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text("a secret\n")
    path = tmp_path / "carillon.toml"
    ports = [free_port() for _ in range(9)]
    path.write_text(
        f"[xmpp]\nsecret_file = 'component'\nc2s_port = {ports[0]}\ncomponent_port = {ports[1]}\n"
        f"[focus]\nbridge = 'http://127.0.0.1:{ports[2]}'\n"
        f"[bridge]\nrest = '127.0.0.1:{ports[2]}'\nport = {ports[3]}\n"
        f"[turn]\nsecret_file = 'turn'\nudp_port = {ports[4]}\ntcp_port = {ports[4]}\n"
        f"[socks5]\nport = {ports[5]}\n[front]\nport = {ports[6]}\n"
    )
    done = check(path)
    assert done.status == 1
    for name in ("component", "bridge", "relay", "front"):
        assert f"the {name} does not run: nothing listens on its control socket" in done.output
    assert "TURN over UDP" not in done.output


def test_a_check_never_takes_the_name_of_a_running_component(deployment: DevServer, config: Path) -> None:
    before = deployment.log()
    done = check(config, "component", overrides=("focus.control='run/none.sock'",))
    assert "a component is connected as focus.localhost that cannot be asked from here" in done.output
    assert "no session with the XMPP server" not in deployment.log().removeprefix(before)
