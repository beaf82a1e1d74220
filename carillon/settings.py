"""Typed settings, read from TOML over the commented reference configuration `carillon.toml`.

The dataclasses below hold types only: each default stands once, in the reference file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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


@dataclass(frozen=True)
class FocusSettings:
    """`[focus]`: the conference focus."""

    domain: str
    bridge: str
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
class BridgeSettings:
    """`[bridge]`: the embedded media bridge."""

    rest: str
    control: str
    address: str
    advertise: str
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
    relay_ports: tuple[int, int]
    realm: str
    secret_file: Path
    control: str
    credential_ttl_s: int
    max_credential_ttl_s: int
    allow_peers: tuple[str, ...]
    bridges: tuple[str, ...]
    allocations_per_user: int
    max_allocations: int
    max_lifetime_s: int
    unauthenticated_per_second: float


@dataclass(frozen=True)
class Socks5Settings:
    """`[socks5]`: empty until the bytestream proxy comes."""


@dataclass(frozen=True)
class FrontSettings:
    """`[front]`: the HTTP front."""

    address: str
    port: int
    certificate: str
    key: str
    control: str
    public_url: str
    origins: tuple[str, ...]
    max_connections: int
    max_connections_per_address: int


@dataclass(frozen=True)
class LimitSettings:
    """`[limits]`: what any peer may send."""

    stanza_bytes: int
    stanza_depth: int
    stanza_elements: int
    stanza_attributes: int
    handshake_timeout_s: float


@dataclass(frozen=True)
class LogSettings:
    """`[log]`."""

    level: str
    format: str


@dataclass(frozen=True)
class Settings:
    """The whole configuration. `path` is the file it came from (its directory anchors relative paths)."""

    path: Path
    xmpp: XmppSettings
    focus: FocusSettings
    bridge: BridgeSettings
    turn: TurnSettings
    socks5: Socks5Settings
    front: FrontSettings
    limits: LimitSettings
    log: LogSettings


class SettingsError(Exception):
    """A configuration that cannot be used; the text names file, line and what to do."""


def load(path: Path, overrides: tuple[str, ...] = ()) -> Settings:
    """Read `path` over the reference configuration, then apply `section.key=VALUE` overrides (TOML values).

    Raises SettingsError for an unreadable file, an unknown key (naming the nearest known one) or a bad value.
    """
    raise NotImplementedError
