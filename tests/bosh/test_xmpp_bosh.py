"""BOSH before a real Prosody: login, messages, lost responses, ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from lxml import etree

from bosh.main import Front
from carillon.settings import Settings
from tests.bosh.bosh_client import HTTPBIND, NewClient, body, condition
from tests.bosh.conftest import StartFront
from tests.bosh.rfc7395_client import Connect
from tests.ports import free_port

PING = "<iq xmlns='jabber:client' type='get' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>"


async def test_the_first_response_tells_the_terms_and_the_features(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    answer = etree.fromstring(await new_client(front).create(prosody.xmpp.guest_domain, wait=600, hold=9))
    assert int(answer.get("wait", "")) == 55 and int(answer.get("hold", "")) == 2
    assert int(answer.get("requests", "")) == 3 and int(answer.get("inactivity", "")) == 60
    assert answer.get("ver") == "1.11" and answer.get("polling") == "5"
    assert answer.get("from") == prosody.xmpp.guest_domain and answer.get("authid")
    assert len(answer.get("sid", "")) == 32
    assert answer.get("{urn:xmpp:xbosh}restartlogic") == "true"
    assert answer.get("{urn:xmpp:xbosh}version") == "1.0"
    (features,) = answer
    assert features.tag == "{http://etherx.jabber.org/streams}features"
    assert not features.findall("{urn:ietf:params:xml:ns:xmpp-tls}starttls")


async def test_a_guest_logs_in(prosody: Settings, front: Front, new_client: NewClient) -> None:
    client = new_client(front)
    jid = await client.login(prosody.xmpp.guest_domain)
    assert f"@{prosody.xmpp.guest_domain}/" in jid
    await client.ping()


async def test_an_account_logs_in_with_scram(prosody: Settings, front: Front, new_client: NewClient) -> None:
    client = new_client(front)
    jid = await client.login(prosody.xmpp.domain, "ann", "secret")
    assert jid.startswith(f"ann@{prosody.xmpp.domain}/")
    await client.ping()


async def test_a_message_reaches_a_websocket_and_back(
    prosody: Settings, front: Front, new_client: NewClient, connect: Connect
) -> None:
    one, other = new_client(front), await connect(front)
    await one.login(prosody.xmpp.guest_domain)
    await other.login(prosody.xmpp.guest_domain)
    text = "<body>größe &amp; <![CDATA[<x>]]></body>"
    await one.send(f"<message xmlns='jabber:client' to='{other.jid}' type='chat'>{text}</message>")
    await other.receive("größe &amp; &lt;x&gt;")
    waiting = asyncio.create_task(one.receive("^<message .*jabber:client.*größe &amp; &lt;x&gt;"))
    await other.send(f"<message xmlns='jabber:client' to='{one.jid}' type='chat'>{text}</message>")
    await waiting


async def test_a_false_sender_is_replaced_or_refused(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client, receiver = new_client(front), new_client(front)
    await client.login(prosody.xmpp.guest_domain)
    await receiver.login(prosody.xmpp.guest_domain)
    spoofed = f"<message xmlns='jabber:client' to='{receiver.jid}' {{sender}}><body>x</body></message>"
    waiting = asyncio.create_task(receiver.receive("<message "))
    await client.send(spoofed.format(sender="from='ann@localhost/x'"))
    if condition(await client.post(spoofed.format(sender=""))) is None:
        assert client.jid in await waiting
    else:
        waiting.cancel()


async def test_elements_without_a_namespace_are_a_client_s(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client = new_client(front)
    await client.login(prosody.xmpp.guest_domain)
    await client.send(PING.format(id="bare").replace(" xmlns='jabber:client'", ""))
    await client.receive("bare")


async def test_a_response_that_was_lost_is_repeated_and_its_request_not_done_again(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client = new_client(front)
    await client.login(prosody.xmpp.guest_domain)
    request = body(PING.format(id="once"), rid=client.rid, sid=client.sid)
    client.rid += 1
    first = await client.post_raw(request)
    assert "once" in first
    assert await client.post_raw(request) == first
    await client.ping()
    assert not client.arrived


async def test_requests_are_taken_in_their_order(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client, receiver = new_client(front), new_client(front)
    await client.login(prosody.xmpp.guest_domain)
    await receiver.login(prosody.xmpp.guest_domain)
    message = f"<message xmlns='jabber:client' to='{receiver.jid}' id='{{id}}'><body>x</body></message>"
    rid, client.rid = client.rid, client.rid + 2
    late = asyncio.create_task(
        client.post_raw(body(message.format(id="second"), rid=rid + 1, sid=client.sid))
    )
    await asyncio.sleep(0.1)
    await client.post_raw(body(message.format(id="first"), rid=rid, sid=client.sid))
    await receiver.receive("id=.first")
    await receiver.receive("id=.second")
    answers = await asyncio.gather(late, client.post(PING.format(id="after")))
    assert "after" in "".join(answers)


async def test_a_request_is_answered_empty_when_it_has_waited_long_enough(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client = new_client(front)
    client.take(await client.create(prosody.xmpp.guest_domain, wait=1))
    began = asyncio.get_running_loop().time()
    answer = await client.post()
    assert answer == f"<body xmlns='{HTTPBIND}'/>"
    assert 0.9 < asyncio.get_running_loop().time() - began < 3


async def test_a_new_connection_takes_over_an_unanswered_request(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    client = new_client(front)
    await client.login(prosody.xmpp.guest_domain)
    request = body(rid=client.rid, sid=client.sid)
    client.rid += 1
    first = asyncio.create_task(client.post_raw(request))
    await asyncio.sleep(0.1)
    again = asyncio.create_task(client.post_raw(request))
    assert etree.fromstring(await first).get("type") == "error"
    answers = await asyncio.gather(again, client.post(PING.format(id="after")))
    assert "after" in "".join(answers)


async def test_the_client_ends_and_its_last_presence_arrives(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    one, other = new_client(front), new_client(front)
    for client in (one, other):
        await client.login(prosody.xmpp.guest_domain)
    directed = f"<presence xmlns='jabber:client' to='{other.jid}'{{type}}/>"
    await one.send(directed.format(type=""))
    await other.receive("<presence ")
    waiting = asyncio.create_task(other.receive("unavailable"))
    answer = await one.post(directed.format(type=" type='unavailable'"), type="terminate")
    assert condition(answer) == ""
    await waiting
    assert condition(await one.post()) == "item-not-found"


async def test_two_logins_of_one_address_conflict_with_the_server_s_own_words(
    prosody: Settings, front: Front, new_client: NewClient
) -> None:
    first, second = new_client(front), new_client(front)
    for client in (first, second):
        await client.open(prosody.xmpp.domain)
        await client._scram("ann", "secret")
        await client.open(prosody.xmpp.domain)
    bind = (
        "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        "<resource>r</resource></bind></iq>"
    )
    await first.send(bind)
    waiting = asyncio.create_task(first.post())
    await second.send(bind)
    answer = await waiting
    assert condition(answer) == "remote-stream-error" and "<conflict " in answer
    assert "xmlns:stream" in answer


async def test_a_server_that_is_away_is_a_condition(
    settings: Settings, start_front: StartFront, new_client: NewClient
) -> None:
    nobody = replace(settings.xmpp, c2s_port=free_port())
    front = await start_front(replace(settings, xmpp=nobody))
    answer = await new_client(front).create(settings.xmpp.domain)
    assert condition(answer) == "remote-stream-error"


async def test_a_front_that_stops_says_so(
    prosody: Settings, start_front: StartFront, new_client: NewClient
) -> None:
    front = await start_front(prosody)
    client = new_client(front)
    await client.login(prosody.xmpp.guest_domain)
    waiting = asyncio.create_task(client.post())
    await asyncio.sleep(0.1)
    await front.stop()
    assert condition(await waiting) == "system-shutdown"


@pytest.mark.parametrize("hold", [0, 1, 2])
async def test_pings_pass_whatever_waits(
    prosody: Settings, front: Front, new_client: NewClient, hold: int
) -> None:
    client = new_client(front)
    client.take(await client.create(prosody.xmpp.guest_domain, hold=hold))
    await client.receive("features")
    for _ in range(3):
        await client.post(PING.format(id="x"))
