"""The component's hosts on the XMPP server, what it may send, and in words why there is no session."""

from __future__ import annotations

from carillon.settings import Settings
from component.limited_stream import Limits
from component.loss import Loss, LossKind

NO_SUCH_HOST = frozenset((LossKind.HOST_UNKNOWN, LossKind.NOT_AUTHORIZED))
"""How servers say that they have no such component: Prosody, and ejabberd."""

_LOST = "the session with the XMPP server at {where} was lost: {detail}"
_TROUBLES = {
    LossKind.REFUSED: "nothing answers at {where} ({detail}): does the XMPP server run, and listen there for"
    " components?",
    LossKind.SILENT: "what listens at {where} does not answer the handshake: is it the XMPP server's port for"
    " components?",
    LossKind.NOT_AUTHORIZED: "the XMPP server refuses the secret for {domain}: the one in {secret} must stand"
    " in its configuration too (ejabberd: or it does not know this host)",
    LossKind.HOST_UNKNOWN: "the XMPP server knows no component {domain}: add it to its configuration",
    LossKind.NO_LINK: "nothing listens on {socket} ({detail}): does carillon link run?",
    LossKind.LINK_SILENT: "the link does not answer on {socket}: restart carillon link",
    LossKind.STANDBY: "stands by: {detail} is the component, and this one takes its place when it ends",
    LossKind.REPLACED: "another process has become the component in place of this one",
    LossKind.CONFLICT: "another process is connected to the XMPP server as {domain}",
}


def hosts_of(settings: Settings) -> list[str]:
    """The component's hosts; that of the focus is the first."""
    hosts = [settings.focus.domain]
    if settings.calls.enabled:
        hosts.append(settings.calls.domain)
    if settings.socks5.enabled:
        hosts.append(settings.socks5.domain)
    return hosts


def limits_of(settings: Settings) -> Limits:
    """What a stanza of the XMPP server may be."""
    limits = settings.limits
    return Limits(
        bytes=limits.stanza_bytes,
        depth=limits.stanza_depth,
        elements=limits.stanza_elements,
        attributes=limits.stanza_attributes,
    )


def trouble(settings: Settings, domain: str, loss: Loss) -> str:
    """Why the link of `domain` has no session, and what to do, in one sentence."""
    xmpp = settings.xmpp
    return _TROUBLES.get(loss.kind, _LOST).format(
        where=f"{xmpp.server}:{xmpp.component_port}",
        domain=domain,
        secret=xmpp.secret_file,
        detail=loss.text,
        socket=settings.link.socket,
    )
