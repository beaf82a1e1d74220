"""`endpoints.json`: where everything of a running `carillon dev` is found, for scripts and tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from carillon.files import write_private
from carillon.part import PARTS, control_socket, further_bridges
from carillon.settings import BridgeSettings, Settings


def write(path: Path, settings: Settings, pids: Mapping[str, int]) -> None:
    """Put the file into place, whole. What does not exist yet is null."""
    write_private(path, json.dumps(of(settings, pids), indent=2) + "\n")


def of(settings: Settings, pids: Mapping[str, int]) -> dict[str, object]:
    """The content of the file; `pids` are the process ids by name (xmpp and the parts)."""
    xmpp, turn = settings.xmpp, settings.turn
    parts = (*PARTS, *further_bridges(settings))
    http, socks5 = settings.front.public_url, settings.socks5
    return {
        "config": str(settings.path),
        "domain": xmpp.domain,
        "guest_domain": xmpp.guest_domain,
        "muc": xmpp.muc,
        "focus": settings.focus.domain,
        "calls": settings.calls.domain if settings.calls.enabled else None,
        "proxy": socks5.domain if socks5.enabled else None,
        "http": http,
        "bosh": f"{http}/http-bind",
        "websocket": urlsplit(http)._replace(scheme="wss" if http.startswith("https") else "ws").geturl()
        + "/xmpp-websocket",
        "c2s": [xmpp.server, xmpp.c2s_port],
        "component": [xmpp.server, xmpp.component_port, str(xmpp.secret_file)],
        "turn": {
            "host": turn.advertise,
            "udp": turn.udp_port,
            "tcp": turn.tcp_port,
            "tls": turn.tls_port or None,
            "secret_file": str(turn.secret_file),
        },
        "socks5": [socks5.advertise[0], socks5.port] if socks5.enabled else None,
        "bridge": _bridge(settings.bridge),
        "bridges": {name: _bridge(one) for name, one in settings.bridges.items()},
        "control": {name: control_socket(name, settings) or None for name in parts},
        "pids": {name: pids.get(name) for name in ("xmpp", *parts)},
    }


def _bridge(bridge: BridgeSettings) -> dict[str, object]:
    return {"rest": f"http://{bridge.rest}", "media": [bridge.advertise[0], bridge.port]}
