"""The sections of the configuration as types; each default stands in the reference file `carillon.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from carillon.settings.rules import Addresses, Urls

REDIS = ("redis://", "rediss://", "unix://")
"""How the URL of a Redis begins (redis-py)."""

FIRST_BRIDGE = "default"
"""The name of the bridge that `[bridge]` describes, beside those of `[bridges.NAME]`."""


@dataclass(frozen=True)
class XmppSettings:
    """`[xmpp]`: the XMPP server and its hosts. Empty names are filled in by the loader."""

    domain: str
    guest_domain: str
    muc: str
    server: str
    c2s_port: int
    component_port: int
    secret_file: Path
    delegation: bool


@dataclass(frozen=True)
class FocusSettings:
    """`[focus]`: the conference focus."""

    domain: str
    bridge: Urls
    """REST addresses, the first one first; never empty."""
    control: str
    initial_timeout_s: float
    min_participants: int
    single_participant_timeout_s: float
    auto_owner: bool
    max_participants: int
    max_rooms_per_user: int
    max_sources: int
    restart_interval_s: float
    restarts_per_minute: int


@dataclass(frozen=True)
class LinkSettings:
    """`[link]`: the process that holds the connections to the XMPP server."""

    enabled: bool
    socket: str
    control: str
    buffer_bytes: int
    buffer_s: float
    abandoned_s: float


@dataclass(frozen=True)
class CallSettings:
    """`[calls]`: calls of ordinary XMPP clients (Jingle) to the echo test and to rooms."""

    enabled: bool
    domain: str
    rooms: str
    pin_file: str
    remote_domains: tuple[str, ...]
    max_calls: int
    max_calls_per_user: int


@dataclass(frozen=True)
class BridgeSettings:
    """`[bridge]`, or one of `[bridges.NAME]`: an embedded media bridge."""

    rest: str
    control: str
    address: Addresses
    advertise: Addresses
    port: int
    websocket_url: str
    max_endpoints: int
    consent_timeout_s: float


@dataclass(frozen=True)
class TurnSettings:
    """`[turn]`: the STUN/TURN relay and its credentials."""

    address: str
    advertise: str
    udp_port: int
    tcp_port: int
    tls_port: int
    """0 when there is no TLS."""
    tls_host: str
    certificate: str
    key: str
    relay_ports: tuple[int, int]
    realm: str
    secret_file: Path
    control: str
    credential_ttl_s: int
    max_credential_ttl_s: int
    credentials_per_user: int
    allow_peers: tuple[str, ...]
    bridges: tuple[str, ...]
    guest_scope: str
    allocations_per_user: int
    max_allocations: int
    max_lifetime_s: int
    unauthenticated_per_second: float


@dataclass(frozen=True)
class Socks5Settings:
    """`[socks5]`: the bytestream proxy (XEP-0065)."""

    enabled: bool
    domain: str
    address: Addresses
    advertise: Addresses
    """What clients are told; host names, too."""
    port: int
    remote_domains: tuple[str, ...]
    max_streams: int
    max_streams_per_user: int
    max_connections_per_address: int
    connections_per_second: float
    pending_timeout_s: float
    idle_timeout_s: float


@dataclass(frozen=True)
class StreamSettings:
    """`[streams]`: the process that keeps guests' streams to the XMPP server."""

    enabled: bool
    socket: str
    control: str
    resume_s: float
    keep_bytes: int
    max_held: int


@dataclass(frozen=True)
class FrontSettings:
    """`[front]`: the HTTP front."""

    address: str
    port: int
    certificate: str
    key: str
    http_port: int
    """0 when there is no listener without TLS beside the one with it."""
    acme_webroot: str
    control: str
    public_url: str
    origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    max_connections: int
    max_connections_per_address: int
    bosh_wait_s: float
    bosh_inactivity_s: float
    p2p: bool


@dataclass(frozen=True)
class AdminSettings:
    """`[admin]`: who may look at meetings and end them by ad-hoc commands (XEP-0050)."""

    jids: tuple[str, ...]


@dataclass(frozen=True)
class JournalSettings:
    """`[journal]`: what outlives a component that is killed."""

    store: str
    """The path of a file, a redis URL, or ""."""
    max_bytes: int
    stale_s: float

    @property
    def is_file(self) -> bool:
        """Whether it is kept in a file on this machine."""
        return bool(self.store) and not self.is_redis

    @property
    def is_redis(self) -> bool:
        """Whether a Redis keeps it."""
        return self.store.startswith(REDIS)


@dataclass(frozen=True)
class LimitSettings:
    """`[limits]`: what any peer may send."""

    stanza_bytes: int
    stanza_depth: int
    stanza_elements: int
    stanza_attributes: int
    handshake_timeout_s: float


@dataclass(frozen=True)
class OperationSettings:
    """`[operation]`: how the processes start, stop and are watched."""

    drain_s: float
    control: str
    beside_s: float


@dataclass(frozen=True)
class LogSettings:
    """`[log]`."""

    level: str
    format: str


@dataclass(frozen=True)
class Settings:
    """The whole configuration. `path` is the file it came from (its directory anchors relative paths)."""

    path: Path
    bridges: Mapping[str, BridgeSettings]
    """`[bridges.NAME]`: the further bridges on this machine, by name."""
    bridge_name: str
    """Which bridge `bridge` is: FIRST_BRIDGE, but for who runs another (`as_bridge`)."""
    xmpp: XmppSettings
    focus: FocusSettings
    link: LinkSettings
    calls: CallSettings
    bridge: BridgeSettings
    turn: TurnSettings
    socks5: Socks5Settings
    streams: StreamSettings
    front: FrontSettings
    admin: AdminSettings
    journal: JournalSettings
    limits: LimitSettings
    operation: OperationSettings
    log: LogSettings

    @property
    def all_bridges(self) -> Mapping[str, BridgeSettings]:
        """Every bridge on this machine by its name, that of `[bridge]` first."""
        return {self.bridge_name: self.bridge, **self.bridges}

    def as_bridge(self, name: str) -> Settings:
        """For the process of the bridge `name`, whose settings are `bridge` then. Raises KeyError."""
        if name == self.bridge_name:
            return self
        return replace(self, bridge=self.bridges[name], bridge_name=name, bridges={})
