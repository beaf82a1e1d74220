"""The component's links as the configuration says them."""

from __future__ import annotations

from carillon.settings import Settings, read_secret
from component.hosts import limits_of
from component.link import ComponentLink, Timing


def link_of(
    settings: Settings, host: str, timing: Timing | None = None, *, direct: bool = False
) -> ComponentLink:
    """The link of one of the component's hosts; `direct`: past the process that holds the sessions.

    Raises SettingsError when the secret cannot be read.
    """
    xmpp = settings.xmpp
    through = settings.link.enabled and not direct
    return ComponentLink(
        host,
        read_secret(xmpp.secret_file),
        settings.link.socket if through else (xmpp.server, xmpp.component_port),
        pinged=xmpp.domain,
        limits=limits_of(settings),
        timing=timing,
    )
