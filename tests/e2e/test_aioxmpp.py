"""aioxmpp, an independent client, finds our services; coturn's client uses the TURN credentials it gets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dev_server import DevServer
from tests.relay.coturn import MESSAGES, lost_nothing, uclient

PYTHON = Path(".venv-aioxmpp/bin/python").absolute()
SCRIPT = Path(__file__).with_name("aioxmpp_client.py")
SERVERS = {"prosody": ("--set", "xmpp.delegation=true"), "ejabberd": ("--server", "ejabberd")}


@pytest.fixture(scope="module", params=SERVERS)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """A deployment whose XMPP server delegates, with an account."""
    directory = tmp_path_factory.mktemp("aioxmpp") / "dev"
    with DevServer(directory, *SERVERS[request.param], "--user", "juliet:balcony") as server:
        yield server


def session(house: DevServer, *more: str) -> list[str]:
    """The command line of a session."""
    assert PYTHON.exists(), "run make test-setup"
    host, port = house.endpoints["c2s"]
    return [
        str(PYTHON),
        str(SCRIPT),
        "juliet@localhost",
        "balcony",
        host,
        str(port),
        "focus.localhost",
        *more,
    ]


@pytest.fixture(scope="module")
def found(house: DevServer) -> Any:
    """What aioxmpp found in one session."""
    done = subprocess.run(session(house), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + house.log_tail()
    return json.loads(done.stdout)


def test_it_logs_in_and_finds_focus_calls_proxy_and_rooms(found: Any) -> None:
    assert found["jid"] == "juliet@localhost"
    hosts = found["hosts"]
    assert "http://jitsi.org/protocol/focus" in hosts["focus.localhost"]["features"]
    assert "proxy/bytestreams" in hosts["proxy.localhost"]["identities"]
    assert "conference/text" in hosts["conference.localhost"]["identities"]
    assert "calls.localhost" in hosts


def test_its_own_domain_lists_what_it_has_delegated(found: Any) -> None:
    assert {"urn:xmpp:extdisco:1", "urn:xmpp:extdisco:2"} <= set(found["hosts"]["localhost"]["features"])


def test_its_own_domain_gives_credentials_that_name_it(house: DevServer, found: Any) -> None:
    turn = house.endpoints["turn"]
    services = found["own domain"]
    assert [(service["type"], service["transport"], service["port"]) for service in services] == [
        ("stun", "udp", turn["udp"]),
        ("turn", "udp", turn["udp"]),
        ("turn", "tcp", turn["tcp"]),
        ("turns", "tcp", turn["tls"]),
    ]
    (username,) = {service["username"] for service in services if service["restricted"]}
    expiry, _, name = username.partition(":")
    assert (len(expiry), name) == (10, "juliet@localhost")
    assert found["focus"] == services


def test_its_own_domain_answers_for_one_type_and_for_one_service(found: Any) -> None:
    services = found["own domain"]
    assert found["own domain, stun"] == services[:1]
    assert found["own domain, credentials"] == services[1:3]
    assert found["own domain, credentials of nothing"] == "item-not-found"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_coturns_client_relays_with_what_it_got(found: Any, transport: str) -> None:
    (service,) = (
        one for one in found["own domain"] if (one["type"], one["transport"]) == ("turn", transport)
    )
    user = ("-u", service["username"], "-w", service["password"])
    over = ("-t",) if transport == "tcp" else ()
    # Two of its clients send to each other's relayed addresses: any user may, whoever it is.
    output = await uclient(service["port"], *user, "-s", "-y", *over)
    assert lost_nothing(output, 2 * MESSAGES), output[-3000:]


def test_it_is_told_when_the_configuration_has_changed(house: DevServer) -> None:
    configuration = Path(house.endpoints["config"])
    before = configuration.read_text(encoding="utf-8")
    with subprocess.Popen(session(house, "push"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        known = json.loads(process.stdout.readline())
        configuration.write_text(
            before.replace("[turn]\n", '[turn]\nadvertise = "127.0.0.2"\n'), encoding="utf-8"
        )
        os.kill(house.pid, signal.SIGHUP)
        pushed = json.loads(process.stdout.readline())
        process.wait(30)
    configuration.write_text(before, encoding="utf-8")
    os.kill(house.pid, signal.SIGHUP)
    assert [(one["action"], one["type"], one["host"]) for one in pushed] == [
        *(("remove", one["type"], "127.0.0.1") for one in known),
        *(("add", one["type"], "127.0.0.2") for one in known),
    ]
    assert all(bool(one["password"]) == (one["type"] != "stun") for one in pushed if one["action"] == "add")
