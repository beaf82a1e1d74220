"""XEP-0198 between a client and either server, with our front between them."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from tests.bosh.conftest import StartFront
from tests.bosh.rfc7395_client import Connect, XmppClient, eventually
from tests.component.prosody import SERVERS, running

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

SM = "urn:xmpp:sm:3"
SWITCHED_ON = {
    "prosody": ('"saslauth";', '"smacks"; "saslauth";'),
    "ejabberd": ("      mod_muc:\n", "      mod_stream_mgmt: {}\n      mod_muc:\n"),
}
"""What is put into the place of what in the server's configuration."""


def lose(client: XmppClient) -> None:
    """Break the client's connection."""
    with socket.socket(fileno=os.dup(client.socket.get_extra_info("socket").fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", SERVERS)
async def test_a_session_is_resumed_on_a_new_websocket(
    name: str, tmp_path: Path, start_front: StartFront, connect: Connect
) -> None:
    server = SERVERS[name](tmp_path)
    xmpp = server.settings.xmpp

    def edit(text: str) -> str:
        server.server.put_account("ann", "secret")
        assert SWITCHED_ON[name][0] in text
        return text.replace(*SWITCHED_ON[name], 1)

    server.edit = edit
    async with running(server):
        # ejabberd has its accounts a moment after it listens
        await eventually(lambda: not (tmp_path / "accounts.term").exists())
        front = await start_front(server.settings)
        other = await connect(front)
        await other.login(xmpp.guest_domain)
        client = await connect(front)
        jid = await client.login(xmpp.domain, "ann", "secret")
        await client.send(f"<enable xmlns='{SM}' resume='true'/>")
        enabled = re.search("""id=["']([^"']+)""", await client.receive("^<enabled"))
        assert enabled
        lose(client)
        await other.send(
            f"<message xmlns='jabber:client' to='{jid}' type='chat'><body>lost?</body></message>"
        )
        await other.ping()

        again = await connect(front)
        await again.authenticate(xmpp.domain, "ann", "secret")
        await again.send(f"<resume xmlns='{SM}' h='0' previd='{enabled[1]}'/>")
        await again.receive("^<resumed")
        await again.receive("lost?")
