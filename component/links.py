"""The component's links as the configuration says them, and in words why one of them has no session."""

from __future__ import annotations

from carillon.settings import Settings, read_secret
from component.link import ComponentLink, Limits, Loss, LossKind, Timing

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
    LossKind.CONFLICT: "another process is connected to the XMPP server as {domain}",
}


def link_of(settings: Settings, host: str, timing: Timing | None = None) -> ComponentLink:
    """The link of one of the component's hosts. Raises SettingsError when the secret cannot be read."""
    xmpp = settings.xmpp
    return ComponentLink(
        host,
        read_secret(xmpp.secret_file),
        (xmpp.server, xmpp.component_port),
        pinged=xmpp.domain,
        limits=limits_of(settings),
        timing=timing,
    )


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
    )
