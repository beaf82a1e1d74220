"""Snippets of those on the web side of the front: nginx, HAProxy, a Jitsi Meet."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from carillon.command_line import CommandError
from carillon.layout import LOOPBACK, bracketed
from carillon.settings import FrontSettings, Settings
from carillon.template import filled_in

BODY_OVERHEAD_BYTES = 4096
"""What a request of BOSH has beside the stanza in it."""

_HOST = re.compile(r"[A-Za-z0-9.-]+")


def nginx(settings: Settings) -> str:
    """A file of nginx's http block. Raises CommandError."""
    return filled_in("nginx.conf", _proxy(settings))


def haproxy(settings: Settings) -> str:
    """The end of haproxy.cfg. Raises CommandError."""
    return filled_in("haproxy.cfg", _proxy(settings))


def jitsi_meet(settings: Settings) -> str:
    """The end of a config.js. Raises CommandError."""
    xmpp, front = settings.xmpp, settings.front
    base = front.public_url.rstrip("/")
    values = {
        "domain": xmpp.domain,
        "guest_domain": xmpp.guest_domain,
        "muc": xmpp.muc,
        "focus": settings.focus.domain,
        "websocket": f"ws{base.removeprefix('http')}/xmpp-websocket",
        "bosh": f"{base}/http-bind",
    }
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    return filled_in("config.js", {**texts, "origins": bool(front.origins)})


def remarks(settings: Settings) -> list[str]:
    """What to change in a configuration that is to have a proxy before its front."""
    found = []
    if not settings.front.trusted_proxies:
        found.append(
            "front.trusted_proxies is empty, so all clients behind the proxy count as one: set it to its"
            f' address, ["{LOOPBACK}"] for a proxy on this machine'
        )
    if not settings.turn.tls_port:
        found.append(
            "there is no TURN over TLS: the certificate of the proxy does not serve the relay; set"
            " turn.certificate and turn.key"
        )
    return found


def _proxy(settings: Settings) -> dict[str, str | bool]:
    front = settings.front
    if front.certificate:
        raise CommandError(
            "the front speaks HTTPS itself: where a proxy does, certificate and key belong into [turn]"
        )
    url = urlsplit(front.public_url)
    if url.scheme != "https" or not _HOST.fullmatch(url.hostname or ""):
        raise CommandError(
            f"front.public_url is {front.public_url}: set it to the address that people open, "
            'like "https://meet.example.org"'
        )
    return {
        "host": url.hostname or "",
        "port": str(url.port or 443),
        "front": _reachable(front),
        "body_kib": str(-(-(settings.limits.stanza_bytes + BODY_OVERHEAD_BYTES) // 1024)),
        "bosh_wait_s": f"{front.bosh_wait_s:g}",
    }


def _reachable(front: FrontSettings) -> str:
    """Where a proxy on this machine finds the front."""
    address = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(front.address, front.address)
    return f"{bracketed(address)}:{front.port}"
