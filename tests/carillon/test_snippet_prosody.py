"""A Prosody that somebody runs already, as Debian configures it, and the snippet put into it."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from carillon.prosody import Prosody
from carillon.settings import Settings
from tests.carillon.stock_server import (
    Process,
    carillon_run,
    configure,
    meeting_of_a_guest,
    running,
    snippet,
    until_says,
)
from tests.carillon.xmpp_login import features_with_an_account
from tests.ports import free_base_port

DEBIAN = """
admins = { }
modules_enabled = {
  "disco"; "roster"; "saslauth"; "tls"; "blocklist"; "bookmarks"; "carbons"; "dialback"; "limits"; "pep";
  "private"; "smacks"; "vcard4"; "vcard_legacy"; "csi_simple"; "invites"; "invites_adhoc"; "invites_register";
  "ping"; "register"; "time"; "uptime"; "version"; "admin_adhoc"; "admin_shell"; "posix";
}
s2s_secure_auth = true
limits = { c2s = { rate = "10kb/s" }; s2sin = { rate = "30kb/s" } }
authentication = "internal_hashed"
archive_expires_after = "1w"
-- what is not Debian's: this test's own directory and ports
data_path = "DIRECTORY/data"
certificates = "DIRECTORY"
admin_socket = "DIRECTORY/admin.sock"
pidfile = "DIRECTORY/prosody.pid"
run_as_root = true
interfaces = { "127.0.0.1" }
c2s_ports = { C2S }
s2s_ports = {}
http_ports = {}
https_ports = {}
log = { info = "DIRECTORY/prosody.log" }
-- what people have there already: accounts, a module of their own choice, rooms
VirtualHost "example.org"
  modules_enabled = { "lastactivity" }
  c2s_require_encryption = false
Component "rooms.example.org" "muc"
Include "conf.d/*.cfg.lua"
"""


def stock(directory: Path, configured: Settings) -> Path:
    """Its configuration, without the snippet."""
    (directory / "conf.d").mkdir()
    path = directory / "prosody.cfg.lua"
    c2s = str(configured.xmpp.c2s_port)
    path.write_text(DEBIAN.replace("DIRECTORY", str(directory)).replace("C2S", c2s))
    Prosody(directory, configured).put_account("ann", "secret")
    return path


def put_in(configuration: Path, configured: Settings) -> None:
    """Do what the head of the snippet says."""
    (configuration.parent / "conf.d" / "carillon.cfg.lua").write_text(snippet("prosody", configured))
    text = configuration.read_text()
    configuration.write_text(
        text.replace("modules_enabled = {", 'modules_enabled = { "external_services";', 1)
    )


def started(configuration: Path) -> AbstractContextManager[Process]:
    output = configuration.with_suffix(".out")
    return running("prosody", "-F", "--config", configuration, output=output)


async def test_guests_meet_on_a_prosody_that_ran_already(tmp_path: Path) -> None:
    configured = configure(tmp_path, free_base_port())
    configuration = stock(tmp_path, configured)
    put_in(configuration, configured)
    with started(configuration), carillon_run(configured) as log:
        await meeting_of_a_guest(configured)
    assert "Traceback" not in log.read_text()


def test_people_with_accounts_keep_what_they_have_there(tmp_path: Path) -> None:
    configured = configure(tmp_path, free_base_port())
    configuration = stock(tmp_path, configured)

    def features() -> set[str]:
        log = tmp_path / "prosody.log"
        log.unlink(missing_ok=True)
        with started(configuration) as process:
            until_says(process, log, "Activated service 'c2s'")
            c2s = (configured.xmpp.server, configured.xmpp.c2s_port)
            found = features_with_an_account(c2s, "example.org", "ann", "secret")
        assert "error" not in log.read_text()
        return found

    before = features()
    assert "jabber:iq:last" in before
    put_in(configuration, configured)
    assert features() == before | {"urn:xmpp:extdisco:1", "urn:xmpp:extdisco:2"}


def test_prosody_itself_finds_nothing_wrong_with_the_snippet(tmp_path: Path) -> None:
    configured = configure(tmp_path, free_base_port())
    configuration = stock(tmp_path, configured)
    put_in(configuration, configured)
    argv = ("prosodyctl", "--config", str(configuration), "check", "config")
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "All checks passed" in found.stdout, found.stdout
