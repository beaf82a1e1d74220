"""A session of aioxmpp, which knows nothing of carillon: what an account finds, and which TURN it is given.

    .venv-aioxmpp/bin/python tests/e2e/aioxmpp_client.py JID PASSWORD HOST PORT FOCUS [push]

writes it to standard output as JSON; with `push`, one line with what the focus answers, and one with what it
pushes later. It runs in an environment of its own, made by `make test-setup`, and imports nothing of ours.
"""

# mypy: disable-error-code="import-not-found, misc, no-any-return, no-untyped-call, untyped-decorator"
# aioxmpp lies in an environment that mypy does not see.

import asyncio
import json
import sys

import aioxmpp
import aioxmpp.connector
import aioxmpp.disco
import aioxmpp.errors
import aioxmpp.security_layer
from aioxmpp import xso

NAMESPACE = "urn:xmpp:extdisco:2"


class Service(xso.XSO):
    """`<service/>`."""

    TAG = (NAMESPACE, "service")

    type_ = xso.Attr("type")
    transport = xso.Attr("transport", default=None)
    host = xso.Attr("host")
    port = xso.Attr("port", type_=xso.Integer(), default=None)
    username = xso.Attr("username", default=None)
    password = xso.Attr("password", default=None)
    expires = xso.Attr("expires", type_=xso.DateTime(), default=None)
    restricted = xso.Attr("restricted", type_=xso.Bool(), default=False)
    action = xso.Attr("action", default=None)

    def as_json(self) -> dict[str, object]:
        """What it says."""
        return {
            "type": self.type_,
            "transport": self.transport,
            "host": self.host,
            "port": self.port,
            "username": self.username,
            "password": self.password,
            "expires": self.expires.isoformat() if self.expires else None,
            "restricted": self.restricted,
            "action": self.action,
        }


@aioxmpp.IQ.as_payload_class
class Services(xso.XSO):
    """`<services/>`."""

    TAG = (NAMESPACE, "services")

    type_ = xso.Attr("type", default=None)
    services = xso.ChildList([Service])


@aioxmpp.IQ.as_payload_class
class Credentials(xso.XSO):
    """`<credentials/>`."""

    TAG = (NAMESPACE, "credentials")

    services = xso.ChildList([Service])


async def ask(client: aioxmpp.Client, to: str, payload: xso.XSO) -> object:
    """The services that `to` names, or the condition of its refusal."""
    request = aioxmpp.IQ(type_=aioxmpp.IQType.GET, to=aioxmpp.JID.fromstr(to), payload=payload)
    try:
        answer = await client.send(request, timeout=15)
    except aioxmpp.errors.XMPPError as error:
        return error.condition.value[1]
    return [service.as_json() for service in answer.services]


async def findings(client: aioxmpp.Client, domain: str, focus: str) -> dict[str, object]:
    """What the domain has, host by host, and who says where TURN is."""
    disco = client.summon(aioxmpp.disco.DiscoClient)
    items = await disco.query_items(aioxmpp.JID.fromstr(domain), timeout=15)
    hosts = {}
    for jid in (domain, *(str(item.jid) for item in items.items)):
        info = await disco.query_info(aioxmpp.JID.fromstr(jid), require_fresh=True, timeout=15)
        hosts[jid] = {
            "identities": [f"{identity.category}/{identity.type_}" for identity in info.identities],
            "features": sorted(info.features),
        }
    wanted = Service()
    wanted.type_, wanted.host = "turn", "127.0.0.1"
    credentials = Credentials()
    credentials.services.append(wanted)
    unknown = Service()
    unknown.type_, unknown.host = "turn", "nowhere.example"
    nothing = Credentials()
    nothing.services.append(unknown)
    stun = Services()
    stun.type_ = "stun"
    return {
        "hosts": hosts,
        "own domain": await ask(client, domain, Services()),
        "own domain, stun": await ask(client, domain, stun),
        "own domain, credentials": await ask(client, domain, credentials),
        "own domain, credentials of nothing": await ask(client, domain, nothing),
        "focus": await ask(client, focus, Services()),
    }


async def print_push(client: aioxmpp.Client, focus: str) -> None:
    """Ask, and print what the focus pushes later."""
    pushed = asyncio.get_running_loop().create_future()

    async def on_push(iq: aioxmpp.IQ) -> None:
        pushed.set_result([service.as_json() for service in iq.payload.services])

    client.stream.register_iq_request_handler(aioxmpp.IQType.SET, Services, on_push)
    print(json.dumps(await ask(client, focus, Services())), flush=True)
    told = await asyncio.wait_for(pushed, 30)
    await ask(client, focus, Services())  # the answer to the push goes out before
    print(json.dumps(told), flush=True)


async def main(jid: str, password: str, host: str, port: str, *then: str) -> None:
    """Log in, without TLS as the private server of the tests has none, and print what is found."""
    focus, *push = then

    async def the_password(_jid: object, _attempt: int) -> str:
        return password

    layer = aioxmpp.security_layer.SecurityLayer(
        aioxmpp.security_layer.default_ssl_context,
        aioxmpp.security_layer.PKIXCertificateVerifier,
        False,
        (aioxmpp.security_layer.PasswordSASLProvider(the_password),),
    )
    client = aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(jid),
        layer,
        override_peer=[(host, int(port), aioxmpp.connector.STARTTLSConnector())],
    )
    async with client.connected() as stream:
        if push:
            await print_push(client, focus)
        else:
            found = await findings(client, client.local_jid.domain, focus)
            print(json.dumps({"jid": str(stream.local_jid.bare()), **found}))


asyncio.run(main(*sys.argv[1:]))
