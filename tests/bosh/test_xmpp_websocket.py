"""The front before a real Prosody: login, messages, ends."""

from bosh.main import Front
from carillon.settings import Settings
from tests.bosh.rfc7395_client import FRAMING, Connect


async def test_a_guest_logs_in(prosody: Settings, front: Front, connect: Connect) -> None:
    client = await connect(front)
    jid = await client.login(prosody.xmpp.guest_domain)
    assert f"@{prosody.xmpp.guest_domain}/" in jid
    await client.ping()


async def test_an_account_logs_in_with_scram(prosody: Settings, front: Front, connect: Connect) -> None:
    client = await connect(front)
    jid = await client.login(prosody.xmpp.domain, "ann", "secret")
    assert jid.startswith(f"ann@{prosody.xmpp.domain}/")
    await client.ping()


async def test_a_message_reaches_another_session(prosody: Settings, front: Front, connect: Connect) -> None:
    sender, receiver = await connect(front), await connect(front)
    await sender.login(prosody.xmpp.guest_domain)
    await receiver.login(prosody.xmpp.guest_domain)
    body = "<body>größe &amp; <![CDATA[<x>]]></body>"
    await sender.send(f"<message xmlns='jabber:client' to='{receiver.jid}' type='chat'>{body}</message>")
    received = await receiver.receive("größe &amp; &lt;x&gt;")
    assert received.startswith("<message") and "jabber:client" in received


async def test_the_client_closes_first(prosody: Settings, front: Front, connect: Connect) -> None:
    client = await connect(front)
    await client.login(prosody.xmpp.guest_domain)
    await client.send(f"<close xmlns='{FRAMING}'/>")
    await client.receive("^<close ")
    await client.socket.close()
    assert client.socket.close_code == 1000


async def test_an_unknown_domain_is_refused_with_an_open_stream(front: Front, connect: Connect) -> None:
    client = await connect(front)
    await client.send(f"<open xmlns='{FRAMING}' to='elsewhere.example' version='1.0'/>")
    await client.receive("^<open ")
    await client.receive("^<stream:error xmlns:stream=.*host-unknown")
    await client.receive("^<close ")
    await client.send(f"<close xmlns='{FRAMING}'/>")
    assert await client.closed() == 1000
