"""The recipe for an ejabberd that runs already: Debian's configuration, the recipe, `carillon run`."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

from carillon import settings
from carillon.ejabberd import Ejabberd
from tests.carillon.test_recipe import ask_for_a_meeting, carillon_toml, running, secrets_in, until_says
from tests.dev_server import free_base_port

RECIPE = Path(__file__).parent.parent.parent / "prosody-config" / "recipe.ejabberd.yml"

DEBIAN = Path("/usr/share/ejabberd/ejabberd.yml.example")
"""What the package makes /etc/ejabberd/ejabberd.yml of."""


def configure(directory: Path, base: int) -> None:
    """ejabberd's configuration, with the recipe beside it."""
    recipe = directory / "carillon.yml"
    text = RECIPE.read_text().replace("the content of secrets/component", "secret of the component")
    recipe.write_text(text.replace("5224", str(base + 1)).replace("5347", str(base + 2)))
    debian = DEBIAN.read_text().replace("- localhost", "- example.org")
    # As the recipe says.
    debian = re.sub(r"(?m)^  mod_muc:\n(?:    .*\n)+", "", debian)
    debian = debian.replace("  mod_fail2ban: {}\n", "  mod_fail2ban:\n    access: trusted_network\n")
    debian += f'\ninclude_config_file: ["{recipe}"]\n'
    # What is not Debian's: this test's own ports, on loopback, and no certificate.
    ports = itertools.count(base + 10)
    debian = re.sub(r"(?m)^    port: \d+$", lambda _: f"    port: {next(ports)}", debian)
    debian = re.sub(r"(?m)^certfiles:\n(?:  .*\n)+", "", debian).replace('ip: "::"', 'ip: "127.0.0.1"')
    (directory / "ejabberd.yml").write_text(debian)


async def test_a_meeting_on_a_stock_ejabberd_with_the_recipe(tmp_path: Path) -> None:
    base = free_base_port()
    secrets_in(tmp_path)
    configure(tmp_path, base)
    carillon = carillon_toml(tmp_path, base, 'guest_domain = "example.org"')
    ejabberd = Ejabberd(tmp_path, settings.load(carillon)).program()
    output, log = tmp_path / "ejabberd.out", tmp_path / "carillon.log"
    run = (sys.executable, "-m", "carillon", "run", "--config", carillon)
    with (
        running(*ejabberd.argv, output=output, environment=ejabberd.environment),
        running(*run, output=log) as process,
    ):
        until_says(process, log, "every part answers")
        url = f"ws://127.0.0.1:{base}/xmpp-websocket"
        answer = await ask_for_a_meeting(url, "example.org")
        assert re.search(r"""ready=["']true["']""", answer), answer
    assert "Traceback" not in log.read_text()
