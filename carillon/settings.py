"""Typed settings, read from TOML over the commented reference configuration `carillon.toml`.

The dataclasses below hold types only: each default stands once, in the reference file.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from carillon.settings_rules import Addresses, check, is_address, typed
from carillon.settings_source import (
    Known,
    SettingsError,
    Value,
    value_of_override,
    values_of_text,
)

__all__ = [
    "BridgeSettings",
    "CallSettings",
    "FocusSettings",
    "FrontSettings",
    "LimitSettings",
    "LogSettings",
    "Settings",
    "SettingsError",
    "Socks5Settings",
    "TurnSettings",
    "XmppSettings",
    "load",
    "override_values",
    "parse",
    "read_secret",
]

REFERENCE = Path(__file__).with_name("carillon.toml")
"""The reference configuration: every key with its default, unit and reason."""

CONTROLLED = ("focus", "bridge", "turn", "front")
"""The sections that name the socket of a control API."""

CERTIFIED = ("front", "turn")
"""The sections that name a certificate and its key."""

MAX_SECRET_BYTES = 4096
"""A secret is a line; a file that is longer is another file."""


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
    """`[bridge]`: the embedded media bridge."""

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
    max_connections: int
    max_connections_per_address: int
    bosh_wait_s: float
    bosh_inactivity_s: float
    p2p: bool


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
    calls: CallSettings
    bridge: BridgeSettings
    turn: TurnSettings
    socks5: Socks5Settings
    front: FrontSettings
    limits: LimitSettings
    log: LogSettings


def load(path: Path, overrides: tuple[str, ...] = ()) -> Settings:
    """Read `path` over the reference configuration, then apply `section.key=VALUE` overrides (TOML values).

    Raises SettingsError for an unreadable file, an unknown key (naming the nearest known one) or a bad value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8 text") from None
    return parse(text, path, overrides)


def parse(text: str, path: Path, overrides: tuple[str, ...] = ()) -> Settings:
    """As `load`, for a text that stands (or will stand) in `path`."""
    known = _known()
    values = {value.name: value for value in values_of_text(REFERENCE.read_text("utf-8"), REFERENCE, known)}
    values |= {value.name: value for value in values_of_text(text, path, known)}
    values |= {value.name: value for value in (value_of_override(text, known) for text in overrides)}
    path = path.absolute()
    found: dict[str, dict[str, Any]] = {section: {} for section in known}
    for value in values.values():
        one = typed(value, known[value.section][value.key], path.parent)
        check(value, one)
        found[value.section][value.key] = one
    _check_together(values, found)
    _derive(found, path.parent)
    return Settings(path=path, **{section: _sections()[section](**keys) for section, keys in found.items()})


def override_values(overrides: tuple[str, ...]) -> dict[str, dict[str, object]]:
    """`section.key=VALUE` overrides as a TOML table; `parse` checks the values. Raises SettingsError."""
    table: dict[str, dict[str, object]] = {}
    for value in (value_of_override(text, _known()) for text in overrides):
        table.setdefault(value.section, {})[value.key] = value.value
    return table


def read_secret(path: Path) -> str:
    """The secret that stands alone in a file, without the white space around it.

    Raises SettingsError when the file is missing, empty or more than one line, and when people other than its
    owner and group can read it: whoever reads the component secret can be the focus, and nobody acts on a
    warning. The group may read, because an XMPP server that shares the file often runs as another user.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            secret = file.read(MAX_SECRET_BYTES + 1).strip()
    except OSError as error:
        raise SettingsError(f"the secret file {path} cannot be read: {error.strerror}") from None
    if mode & stat.S_IRWXO:
        raise SettingsError(f"the secret file {path} is open to everybody on this machine: chmod o= {path}")
    if not secret:
        raise SettingsError(f"the secret file {path} is empty")
    if len(secret) > MAX_SECRET_BYTES or not secret.isascii() or not secret.decode("ascii").isprintable():
        raise SettingsError(
            f"the secret file {path} must hold one line of ASCII, at most {MAX_SECRET_BYTES} bytes"
        )
    return secret.decode("ascii")


@cache
def _sections() -> Mapping[str, type[Any]]:
    """The dataclass of each section."""
    hints = get_type_hints(Settings)
    return {field.name: hints[field.name] for field in fields(Settings) if field.name != "path"}


@cache
def _known() -> Known:
    """The type of each key of each section."""
    return {section: get_type_hints(cls) for section, cls in _sections().items()}


def _check_together(values: Mapping[str, Value], found: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise SettingsError for settings that are good alone and wrong together."""
    turn = found["turn"]
    if found["calls"]["rooms"] == "pin" and not found["calls"]["pin_file"]:
        raise values["calls.pin_file"].refuse('is missing: calls.rooms is "pin"')
    for section in CERTIFIED:
        if bool(found[section]["certificate"]) != bool(found[section]["key"]):
            missing = "key" if found[section]["certificate"] else "certificate"
            raise values[f"{section}.{missing}"].refuse("is missing: TLS needs both certificate and key")
    if found["front"]["http_port"] and not found["front"]["certificate"]:
        raise values["front.http_port"].refuse("leads to HTTPS, which needs front.certificate and front.key")
    if turn["credential_ttl_s"] > turn["max_credential_ttl_s"]:
        raise values["turn.credential_ttl_s"].refuse("is longer than turn.max_credential_ttl_s accepts")
    if found["socks5"]["enabled"] and not turn["control"]:
        raise values["turn.control"].refuse(
            "is missing: streams of the bytestream proxy are activated through it (or socks5.enabled = false)"
        )
    for section in ("bridge", "turn", "socks5"):
        own, told = found[section]["address"], found[section]["advertise"]
        wrong = values[f"{section}.advertise" if told else f"{section}.address"]
        if any(
            is_address(one) and ipaddress.ip_address(one).is_unspecified for one in Addresses.of(told or own)
        ):
            raise wrong.refuse(f"is every address: set {section}.advertise to the one that clients reach")
    bridge = found["bridge"]
    if not bridge["advertise"].versions <= bridge["address"].versions:
        raise values["bridge.advertise"].refuse(
            "names an address of a family, IPv4 or IPv6, that bridge.address lacks"
        )


def _derive(found: dict[str, dict[str, Any]], directory: Path) -> None:
    """Fill in the names that are made of others, and make every path absolute."""
    xmpp, focus, bridge, turn, front = (found[name] for name in ("xmpp", "focus", "bridge", "turn", "front"))
    xmpp["guest_domain"] = xmpp["guest_domain"] or f"guest.{xmpp['domain']}"
    xmpp["muc"] = xmpp["muc"] or f"conference.{xmpp['domain']}"
    focus["domain"] = focus["domain"] or f"focus.{xmpp['domain']}"
    calls, socks5 = found["calls"], found["socks5"]
    calls["domain"] = calls["domain"] or f"calls.{xmpp['domain']}"
    socks5["domain"] = socks5["domain"] or f"proxy.{xmpp['domain']}"
    socks5["advertise"] = socks5["advertise"] or socks5["address"]
    turn["realm"] = turn["realm"] or xmpp["domain"]
    bridge["advertise"] = bridge["advertise"] or bridge["address"]
    turn["advertise"] = turn["advertise"] or turn["address"]
    for section, key in (
        *((name, "control") for name in CONTROLLED),
        *((name, key) for name in CERTIFIED for key in ("certificate", "key")),
        ("front", "acme_webroot"),
        ("calls", "pin_file"),
    ):
        if found[section][key]:
            found[section][key] = str(directory / found[section][key])
    if not front["public_url"]:
        host = f"[{front['address']}]" if ":" in front["address"] else front["address"]
        front["public_url"] = f"{'https' if front['certificate'] else 'http'}://{host}:{front['port']}"
    _derive_turns(turn, front)


def _derive_turns(turn: dict[str, Any], front: dict[str, Any]) -> None:
    """TURN over TLS takes the front's certificate, and where that is for a name, its name."""
    if not turn["certificate"]:
        turn["certificate"], turn["key"] = front["certificate"], front["key"]
    if not turn["certificate"]:
        turn["tls_port"] = 0
    if not turn["tls_host"]:
        url = urlsplit(front["public_url"])
        named = url.scheme == "https" and url.hostname and not is_address(url.hostname)
        turn["tls_host"] = url.hostname if named else turn["advertise"]
