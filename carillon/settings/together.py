"""What settings mean together: what contradicts each other, and the names that are made of others."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from carillon.settings.rules import Addresses, Urls, host_and_port, is_address
from carillon.settings.source import Value, is_bridge

CONTROLLED = ("focus", "link", "bridge", "turn", "streams", "front", "operation")
"""The sections that name the socket of a control API."""

CERTIFIED = ("front", "turn")
"""The sections that name a certificate and its key."""


def inherit(values: dict[str, Value]) -> None:
    """Give every further bridge what it does not name itself: as [bridge], its control socket beside that."""
    own = [value for value in values.values() if value.section == "bridge"]
    for section in dict.fromkeys(value.section for value in values.values() if is_bridge(value.section)):
        for value in own:
            inherited = replace(value, section=section)
            if value.key == "control" and isinstance(value.value, str) and value.value:
                path = Path(value.value)
                beside = path.with_name(f"{path.stem}-{section.partition('.')[2]}{path.suffix}")
                inherited = replace(inherited, value=str(beside))
            values.setdefault(inherited.name, inherited)


def check_together(values: Mapping[str, Value], found: Mapping[str, Mapping[str, Any]]) -> None:
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
    if found["link"]["enabled"] and not found["link"]["socket"]:
        raise values["link.socket"].refuse(
            "is missing: the component connects there (or link.enabled = false)"
        )
    if found["streams"]["enabled"] and not found["streams"]["socket"]:
        raise values["streams.socket"].refuse(
            "is missing: the front connects there (or streams.enabled = false)"
        )
    if found["socks5"]["enabled"] and not turn["control"]:
        raise values["turn.control"].refuse(
            "is missing: streams of the bytestream proxy are activated through it (or socks5.enabled = false)"
        )
    bridges = _bridges(found)
    for section in (*bridges, "turn", "socks5"):
        own, told = found[section]["address"], found[section]["advertise"]
        wrong = values[f"{section}.advertise" if told else f"{section}.address"]
        if any(
            is_address(one) and ipaddress.ip_address(one).is_unspecified for one in Addresses.of(told or own)
        ):
            raise wrong.refuse(f"is every address: set {section}.advertise to the one that clients reach")
    for section in bridges:
        if not found[section]["advertise"].versions <= found[section]["address"].versions:
            raise values[f"{section}.advertise"].refuse(
                f"names an address of a family, IPv4 or IPv6, that {section}.address lacks"
            )
    for one, other in combinations(bridges, 2):
        for key in _shared(found[one], found[other]):
            raise values[f"{other}.{key}"].refuse(f"is that of [{one}] too: each bridge needs its own")


def _bridges(found: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The sections of all bridges."""
    return ("bridge", *filter(is_bridge, found))


def _shared(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """What two bridges would both open."""
    if host_and_port(one["rest"]) == host_and_port(other["rest"]):
        yield "rest"
    listeners = [[ipaddress.ip_address(ip) for ip in bridge["address"]] for bridge in (one, other)]
    everywhere = any(ip.is_unspecified for ips in listeners for ip in ips)
    if one["port"] == other["port"] and (everywhere or set(listeners[0]) & set(listeners[1])):
        yield "port"
    if one["control"] and one["control"] == other["control"]:
        yield "control"


def derive(found: dict[str, dict[str, Any]], directory: Path) -> None:
    """Fill in the names that are made of others, and make every path absolute."""
    xmpp, focus, turn, front = (found[name] for name in ("xmpp", "focus", "turn", "front"))
    xmpp["guest_domain"] = xmpp["guest_domain"] or f"guest.{xmpp['domain']}"
    xmpp["muc"] = xmpp["muc"] or f"conference.{xmpp['domain']}"
    focus["domain"] = focus["domain"] or f"focus.{xmpp['domain']}"
    calls, socks5 = found["calls"], found["socks5"]
    calls["domain"] = calls["domain"] or f"calls.{xmpp['domain']}"
    socks5["domain"] = socks5["domain"] or f"proxy.{xmpp['domain']}"
    socks5["advertise"] = socks5["advertise"] or socks5["address"]
    turn["realm"] = turn["realm"] or xmpp["domain"]
    bridges = _bridges(found)
    for one in bridges:
        found[one]["advertise"] = found[one]["advertise"] or found[one]["address"]
    focus["bridge"] = focus["bridge"] or Urls(f"http://{found[one]['rest']}" for one in bridges)
    turn["advertise"] = turn["advertise"] or turn["address"]
    for section, key in (
        *((name, "control") for name in (*CONTROLLED, *filter(is_bridge, found))),
        *((name, key) for name in CERTIFIED for key in ("certificate", "key")),
        ("front", "acme_webroot"),
        ("calls", "pin_file"),
        ("link", "socket"),
        ("streams", "socket"),
    ):
        if found[section][key]:
            found[section][key] = str(directory / found[section][key])
    if found["journal"]["store"] and "://" not in found["journal"]["store"]:
        found["journal"]["store"] = str(directory / found["journal"]["store"])
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
