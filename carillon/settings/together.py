"""What settings mean together: what contradicts each other, and the names that are made of others."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from carillon.settings.rules import Addresses, is_address
from carillon.settings.source import Value

CONTROLLED = ("focus", "bridge", "turn", "front")
"""The sections that name the socket of a control API."""

CERTIFIED = ("front", "turn")
"""The sections that name a certificate and its key."""


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


def derive(found: dict[str, dict[str, Any]], directory: Path) -> None:
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
