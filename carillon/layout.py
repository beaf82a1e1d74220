"""Where `carillon dev` puts things: ports counted from a base port, files in its directory, as settings."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from carillon import toml
from carillon.settings import Settings, SettingsError, override_values, parse
from carillon.settings.rules import host_and_port

LAST_PORT = 299
"""The last port of the layout, counted from the base port."""

RELAY_PORTS = (100, 299)
"""First and last port of the relayed transport addresses, counted from the base port."""

CERTIFICATE, KEY = "certs/front.pem", "certs/front.key"
"""Of the pages and of TURN over TLS, in the directory."""

LOOPBACK = "127.0.0.1"
"""Where everything listens that only carillon and the XMPP server themselves speak to."""


@dataclass(frozen=True)
class Options:
    """What the command line of `carillon dev` says."""

    directory: Path
    domain: str = "localhost"
    base_port: int = 8080
    address: str = LOOPBACK
    http_address: str = LOOPBACK
    server: str = "prosody"
    """The name of the XMPP server."""
    users: tuple[tuple[str, str], ...] = ()
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.base_port <= 65535 - LAST_PORT:
            raise SettingsError(f"--base-port must be between 1 and {65535 - LAST_PORT}")
        for option, text in (("--address", self.address), ("--http-address", self.http_address)):
            try:
                ipaddress.ip_address(text)
            except ValueError:
                raise SettingsError(f"{option} must be an IP address, not {text!r}") from None

    @property
    def https(self) -> bool:
        """Whether the pages need HTTPS: browsers give camera and microphone only to it and to loopback."""
        return not ipaddress.ip_address(self.http_address).is_loopback

    @property
    def http_host(self) -> str:
        """The address that people type: where the front listens, or this machine's own address."""
        address = ipaddress.ip_address(self.http_address)
        return own_address(address.version) if address.is_unspecified else str(address)


@dataclass(frozen=True)
class Listener:
    """A port that something of the deployment is going to listen on."""

    what: str
    address: str
    port: int
    kind: socket.SocketKind


def settings(options: Options, path: Path, sockets: Path) -> tuple[str, Settings]:
    """The configuration for `path`, as text and read. Raises SettingsError, naming a wrong `--set`."""
    table = _table(options, sockets)
    parse(toml.dumps(table), path, options.overrides)  # says what is wrong with an override as it was written
    for section, keys in override_values(options.overrides).items():
        table.setdefault(section, {}).update(keys)
    text = "# Written by carillon dev, anew at each start.\n\n" + toml.dumps(table)
    return text, parse(text, path)


def _table(options: Options, sockets: Path) -> dict[str, dict[str, object]]:
    n = options.base_port
    scheme, ws = ("https", "wss") if options.https else ("http", "ws")
    http_host = f"{bracketed(options.http_host)}:{n}"
    rest = f"{LOOPBACK}:{n + 3}"
    certificate: dict[str, object] = {"certificate": CERTIFICATE, "key": KEY}
    return {
        "xmpp": {
            "domain": options.domain,
            # Prosody takes guests only on a host of their own.
            **({} if options.server == "prosody" else {"guest_domain": options.domain}),
            "server": LOOPBACK,
            "c2s_port": n + 1,
            "component_port": n + 2,
            "secret_file": "secrets/component",
        },
        "focus": {"control": f"{sockets / 'component.sock'}"},
        "link": {"socket": f"{sockets / 'link-xmpp.sock'}", "control": f"{sockets / 'link.sock'}"},
        "bridge": {
            "rest": rest,
            "address": options.address,
            "port": n + 4,
            "websocket_url": f"{ws}://{http_host}/colibri-ws",
            "control": f"{sockets / 'bridge.sock'}",
        },
        "turn": {
            "address": options.address,
            "udp_port": n + 5,
            "tcp_port": n + 5,
            "tls_port": n + 6,
            **certificate,
            "relay_ports": [n + RELAY_PORTS[0], n + RELAY_PORTS[1]],
            "secret_file": "secrets/turn",
            "control": f"{sockets / 'relay.sock'}",
        },
        "socks5": {"address": options.address, "port": n + 7},
        "streams": {
            "socket": f"{sockets / 'streams-xmpp.sock'}",
            "control": f"{sockets / 'streams.sock'}",
        },
        "operation": {"drain_s": 0, "control": f"{sockets / 'supervisor.sock'}"},
        "front": {
            "address": options.http_address,
            "port": n,
            "public_url": f"{scheme}://{http_host}",
            "control": f"{sockets / 'front.sock'}",
            **(certificate if options.https else {}),
        },
    }


def listeners(settings: Settings) -> list[Listener]:
    """Every port of the deployment that must be free (a relayed address may skip one that is not)."""
    xmpp, turn, front = settings.xmpp, settings.turn, settings.front
    tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
    return [
        Listener("the HTTP front", front.address, front.port, tcp),
        Listener("the XMPP server's client port", xmpp.server, xmpp.c2s_port, tcp),
        Listener("the XMPP server's component port", xmpp.server, xmpp.component_port, tcp),
        *(
            Listener("the bridge's REST API", *host_and_port(bridge.rest), tcp)
            for bridge in settings.all_bridges.values()
        ),
        *(
            Listener("the bridge's media", ip, bridge.port, kind)
            for bridge in settings.all_bridges.values()
            for ip in bridge.address
            for kind in (udp, tcp)
        ),
        Listener("TURN over UDP", turn.address, turn.udp_port, udp),
        Listener("TURN over TCP", turn.address, turn.tcp_port, tcp),
        *([Listener("TURN over TLS", turn.address, turn.tls_port, tcp)] if turn.tls_port else []),
        *(
            Listener("the bytestream proxy", ip, settings.socks5.port, tcp)
            for ip in settings.socks5.address
            if settings.socks5.enabled
        ),
    ]


def obstacle(listener: Listener) -> str | None:
    """Why nothing can listen there, in words with the port's number, or None."""
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    name = "TCP" if listener.kind is socket.SOCK_STREAM else "UDP"
    with socket.socket(family, listener.kind) as probe:
        if listener.kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers themselves do
        try:
            probe.bind((listener.address, listener.port))
        except OSError as error:
            place = f"{name} port {listener.port} of {listener.address}"
            return f"{place}, needed for {listener.what}, cannot be used: {error.strerror}"
    return None


def bracketed(address: str) -> str:
    """An IP address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


def own_address(version: int) -> str:
    """The address from which this machine would speak to others; loopback when it has no network."""
    family, elsewhere, loopback = {
        4: (socket.AF_INET, "192.0.2.1", LOOPBACK),
        6: (socket.AF_INET6, "2001:db8::1", "::1"),
    }[version]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))  # chooses a route; sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return loopback
