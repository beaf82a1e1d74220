"""Which settings a running process takes up when it is told to reload, and which need it to start anew.

A part only ever sees what it can take up: `taken_up` leaves every other setting as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from carillon.settings import Settings

SUPERVISOR: Final = "supervisor"
"""`carillon run` itself; the other names are those of the parts."""

_LINK, _COMPONENT, _BRIDGE, _RELAY, _FRONT = "link", "component", "bridge", "relay", "front"
_STREAMS = "streams"
_ALL = (_LINK, _COMPONENT, _BRIDGE, _RELAY, _STREAMS, _FRONT, SUPERVISOR)


@dataclass(frozen=True)
class Effect:
    """What a change of one setting does; processes that are not named have nothing to do with it."""

    live: tuple[str, ...] = ()
    """Those that take it up while they run."""
    restart: tuple[str, ...] = ()
    """Those that have it only from their next start on."""


def _live(*names: str) -> Effect:
    return Effect(live=names)


def _restart(*names: str) -> Effect:
    return Effect(restart=names)


EFFECTS: Final[Mapping[str, Effect]] = {
    "xmpp.domain": _restart(_LINK, _COMPONENT, _RELAY, _FRONT),
    "xmpp.guest_domain": _restart(_COMPONENT, _RELAY, _FRONT),
    "xmpp.muc": _restart(_COMPONENT, _FRONT),
    "xmpp.server": _restart(_LINK, _COMPONENT, _STREAMS, _FRONT),
    "xmpp.c2s_port": _restart(_RELAY, _STREAMS, _FRONT),
    "xmpp.component_port": _restart(_LINK, _COMPONENT, _RELAY),
    "xmpp.secret_file": _live(_LINK, _COMPONENT),
    "xmpp.delegation": Effect(),  # what `carillon snippet` prints is all that it changes
    "focus.domain": _restart(_LINK, _COMPONENT, _FRONT),
    "focus.bridge": _restart(_COMPONENT),
    "focus.control": _restart(_COMPONENT, SUPERVISOR),
    "focus.initial_timeout_s": _live(_COMPONENT),
    "focus.min_participants": _live(_COMPONENT),
    "focus.single_participant_timeout_s": _live(_COMPONENT),
    "focus.auto_owner": _live(_COMPONENT),
    "focus.max_participants": _live(_COMPONENT),
    "focus.max_rooms_per_user": _live(_COMPONENT),
    "focus.max_sources": _live(_COMPONENT),
    "focus.restart_interval_s": _live(_COMPONENT),
    "focus.restarts_per_minute": _live(_COMPONENT),
    "link.enabled": _restart(_LINK, _COMPONENT, SUPERVISOR),
    "link.socket": _restart(_LINK, _COMPONENT),
    "link.control": _restart(_LINK, _COMPONENT, SUPERVISOR),
    "link.buffer_bytes": _live(_LINK),
    "link.buffer_s": _live(_LINK),
    "link.abandoned_s": _live(_LINK),
    "calls.enabled": _restart(_LINK, _COMPONENT),
    "calls.domain": _restart(_LINK, _COMPONENT),
    "calls.rooms": _live(_COMPONENT),
    "calls.pin_file": _live(_COMPONENT),
    "calls.remote_domains": _live(_COMPONENT),
    "calls.max_calls": _live(_COMPONENT),
    "calls.max_calls_per_user": _live(_COMPONENT),
    "bridge.rest": _restart(_COMPONENT, _BRIDGE, _RELAY, _FRONT),
    "bridge.control": _restart(_BRIDGE, SUPERVISOR),
    "bridge.address": _restart(_BRIDGE, _RELAY),
    "bridge.advertise": _restart(_BRIDGE, _RELAY),
    "bridge.port": _restart(_BRIDGE, _RELAY),
    "bridge.websocket_url": _restart(_BRIDGE, _FRONT),
    "bridge.max_endpoints": _live(_BRIDGE),
    "bridge.consent_timeout_s": _live(_BRIDGE),
    # What the component announces (XEP-0215) it announces at once: the relay is started anew a moment later.
    "turn.address": _restart(_COMPONENT, _RELAY),
    "turn.advertise": Effect((_COMPONENT,), (_RELAY,)),
    "turn.udp_port": Effect((_COMPONENT,), (_RELAY,)),
    "turn.tcp_port": Effect((_COMPONENT,), (_RELAY,)),
    "turn.tls_port": Effect((_COMPONENT,), (_RELAY,)),
    "turn.tls_host": _live(_COMPONENT),
    "turn.certificate": _live(_RELAY),
    "turn.key": _live(_RELAY),
    "turn.relay_ports": _restart(_COMPONENT, _RELAY),
    "turn.realm": _restart(_RELAY),
    "turn.secret_file": _live(_COMPONENT, _RELAY),
    "turn.control": _restart(_COMPONENT, _RELAY, SUPERVISOR),
    "turn.credential_ttl_s": _live(_COMPONENT),
    "turn.credentials_per_user": _live(_COMPONENT),
    "turn.max_credential_ttl_s": _live(_RELAY),
    "turn.allow_peers": _live(_RELAY),
    "turn.bridges": _live(_RELAY),
    "turn.guest_scope": _live(_RELAY),
    "turn.allocations_per_user": _live(_RELAY),
    "turn.max_allocations": _live(_RELAY),
    "turn.max_lifetime_s": _live(_RELAY),
    "turn.unauthenticated_per_second": _live(_RELAY),
    "socks5.enabled": _restart(_LINK, _COMPONENT, _RELAY),
    "socks5.domain": _restart(_LINK, _COMPONENT),
    "socks5.address": _restart(_RELAY),
    "socks5.advertise": _live(_COMPONENT),
    "socks5.port": Effect((_COMPONENT,), (_RELAY,)),
    "socks5.remote_domains": _live(_COMPONENT),
    "socks5.max_streams": _live(_RELAY),
    "socks5.max_streams_per_user": _live(_RELAY),
    "socks5.max_connections_per_address": _live(_RELAY),
    "socks5.connections_per_second": _live(_RELAY),
    "socks5.pending_timeout_s": _live(_RELAY),
    "socks5.idle_timeout_s": _live(_RELAY),
    "streams.enabled": _restart(_STREAMS, _FRONT, SUPERVISOR),
    "streams.socket": _restart(_STREAMS, _FRONT),
    "streams.control": _restart(_STREAMS, SUPERVISOR),
    "streams.resume_s": _live(_STREAMS),
    "streams.keep_bytes": _live(_STREAMS),
    "streams.max_held": _live(_STREAMS),
    "front.address": _restart(_FRONT),
    "front.port": _restart(_RELAY, _FRONT),
    "front.certificate": _live(_FRONT),
    "front.key": _live(_FRONT),
    "front.http_port": _restart(_RELAY, _FRONT),
    "front.acme_webroot": _live(_FRONT),
    "front.control": _restart(_FRONT, SUPERVISOR),
    "front.public_url": _live(_FRONT),
    "front.origins": _live(_FRONT),
    "front.trusted_proxies": _live(_FRONT),
    "front.max_connections": _live(_FRONT),
    "front.max_connections_per_address": _live(_FRONT),
    "front.bosh_wait_s": _live(_FRONT),
    "front.bosh_inactivity_s": _live(_FRONT),
    "front.p2p": _live(_FRONT),
    "admin.jids": _live(_COMPONENT),
    "journal.store": _restart(_COMPONENT),
    "journal.max_bytes": _restart(_COMPONENT),
    "journal.stale_s": _restart(_COMPONENT),
    "limits.stanza_bytes": _live(_LINK, _COMPONENT, _STREAMS, _FRONT),
    "limits.stanza_depth": _live(_LINK, _COMPONENT, _STREAMS, _FRONT),
    "limits.stanza_elements": _live(_LINK, _COMPONENT, _STREAMS, _FRONT),
    "limits.stanza_attributes": _live(_LINK, _COMPONENT, _STREAMS, _FRONT),
    "limits.handshake_timeout_s": _live(_RELAY, _STREAMS, _FRONT),
    "operation.drain_s": _live(*_ALL),
    "operation.control": _restart(SUPERVISOR),
    "operation.beside_s": _live(*_ALL),
    "log.level": _live(*_ALL),
    "log.format": _live(*_ALL),
}
"""What each setting of `carillon.toml` does when it changes."""


def _stay_with_or_without_tls(section: str) -> Callable[[Settings, Settings], bool]:
    """A listener without TLS gets none while it listens."""

    def rule(old: Settings, new: Settings) -> bool:
        return bool(getattr(old, section).certificate) == bool(getattr(new, section).certificate)

    return rule


def _listens_as_before(old: Settings, new: Settings) -> bool:
    """The address that people open is made of these, unless it is given."""
    places = {(urlsplit(one.public_url).scheme, one.address, one.port) for one in (old.front, new.front)}
    return len(places) == 1


_LIVE_IF: Final[Mapping[str, Callable[[Settings, Settings], bool]]] = {
    **dict.fromkeys(("front.certificate", "front.key"), _stay_with_or_without_tls("front")),
    **dict.fromkeys(("turn.certificate", "turn.key"), _stay_with_or_without_tls("turn")),
    "front.public_url": _listens_as_before,
}
"""Settings that are live only for some changes, by what says so of the old and the new configuration."""


@dataclass(frozen=True)
class Change:
    """What a new configuration is to one process that runs."""

    settings: Settings
    """What it runs with from now on."""
    live: tuple[str, ...]
    """The settings that are new in it."""
    restart: tuple[str, ...]
    """Those that are not, although they concern this process."""


def taken_up(name: str, running: Settings, wanted: Settings) -> Change:
    """What of `wanted` the part `name`, or SUPERVISOR, takes up when it runs with `running`."""
    live, restart = [], []
    sections: dict[str, Any] = {}
    for section, key in _keys(running):
        setting = f"{section}.{key}"
        old, new = (getattr(getattr(settings, section), key) for settings in (running, wanted))
        if old == new:
            continue
        effect = EFFECTS[setting]
        if name in effect.live and _LIVE_IF.get(setting, _always)(running, wanted):
            live.append(setting)
            sections[section] = replace(sections.get(section, getattr(running, section)), **{key: new})
        elif name in (*effect.live, *effect.restart):
            restart.append(setting)
    restart += _of_bridges(name, running, wanted)
    return Change(replace(running, **sections), tuple(live), tuple(restart))


def _of_bridges(name: str, running: Settings, wanted: Settings) -> Iterable[str]:
    """What of `[bridges.NAME]` concerns this process and is another: each bridge looks after its own."""
    if name == _BRIDGE:
        return
    for bridge in sorted(running.bridges.keys() | wanted.bridges.keys()):
        old, new = running.bridges.get(bridge), wanted.bridges.get(bridge)
        for key in fields(running.bridge):
            effect = EFFECTS[f"bridge.{key.name}"]
            other = getattr(old, key.name, None) != getattr(new, key.name, None)
            if other and name in effect.restart:
                yield f"bridges.{bridge}.{key.name}"


def _keys(settings: Settings) -> Iterable[tuple[str, str]]:
    for section in fields(settings):
        if is_dataclass(getattr(settings, section.name)):
            for key in fields(getattr(settings, section.name)):
                yield section.name, key.name


def _always(_old: Settings, _new: Settings) -> bool:
    return True
