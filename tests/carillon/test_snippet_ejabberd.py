"""An ejabberd that somebody runs already, as Debian configures it, and the snippet put into it."""

from __future__ import annotations

import itertools
import re
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from carillon.ejabberd import Ejabberd
from carillon.settings import Settings
from tests.carillon.stock_server import (
    Process,
    carillon_run,
    configure,
    meeting_of_a_guest,
    running,
    snippet,
)
from tests.carillon.xmpp_login import features_with_an_account
from tests.ports import free_base_port

DEBIAN = Path("/usr/share/ejabberd/ejabberd.yml.example")
"""What the package makes /etc/ejabberd/ejabberd.yml of."""


def stock(directory: Path, base: int) -> Path:
    """Its configuration, without the snippet."""
    debian = DEBIAN.read_text().replace("- localhost", "- example.org")
    # What is not Debian's: this test's own ports, on loopback, and no certificate.
    ports = itertools.count(base + 10)
    debian = re.sub(r"(?m)^    port: \d+$", lambda _: f"    port: {next(ports)}", debian)
    debian = re.sub(r"(?m)^certfiles:\n(?:  .*\n)+", "", debian).replace('ip: "::"', 'ip: "127.0.0.1"')
    path = directory / "ejabberd.yml"
    path.write_text(debian)
    return path


def put_in(configuration: Path, configured: Settings) -> None:
    """Do what the head of the snippet says."""
    beside = configuration.with_name("carillon.yml")
    beside.write_text(snippet("ejabberd", configured))
    text = configuration.read_text() + f'\ninclude_config_file: ["{beside}"]\n'
    for module in ("mod_muc", "mod_stun_disco"):
        text, count = re.subn(rf"(?m)^  {module}:.*\n(?:    .*\n)*", "", text)
        assert count == 1, module
    trusting = "  mod_fail2ban:\n    access: trusted_network\n"
    configuration.write_text(text.replace("  mod_fail2ban: {}\n", trusting))


def started(configured: Settings) -> AbstractContextManager[Process]:
    """With an account."""
    directory = configured.path.parent
    server = Ejabberd(directory, configured)
    (directory / "accounts.term").touch()
    server.put_account("ann", "secret")
    program = server.program()
    return running(*program.argv, output=directory / "ejabberd.out", environment=program.environment)


@pytest.mark.parametrize("guests", ["example.org", "guest.example.org"])
async def test_guests_meet_on_an_ejabberd_that_ran_already(tmp_path: Path, guests: str) -> None:
    base = free_base_port()
    configured = configure(tmp_path, base, f'guest_domain = "{guests}"')
    put_in(stock(tmp_path, base), configured)
    with started(configured), carillon_run(configured) as log:
        await meeting_of_a_guest(configured)
        c2s = (configured.xmpp.server, configured.xmpp.c2s_port)
        found = features_with_an_account(c2s, "example.org", "ann", "secret")
    assert {"urn:xmpp:extdisco:2", "urn:xmpp:carbons:2", "urn:xmpp:ping"} <= found
    assert "Traceback" not in log.read_text()
