"""What the value of a setting may be: its type, as the dataclass says, and its range."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from carillon.settings.source import Value

MAX_LIST = 1000
"""Entries a list may have; more is a mistake."""

_DOMAIN = re.compile(r"[^\W_]([\w-]*[^\W_])?(\.[^\W_]([\w-]*[^\W_])?)*")
_LOCAL = re.compile(r"""[^\s"&'/:<>@]{1,255}""")  # RFC 7622 §3.3.1

_Rule = Callable[[Any], str | None]
"""Takes a value of the right type, gives what is wrong with it or None."""


class Texts(tuple[str, ...]):
    """Texts of one kind: written as a list, or one alone as a text; "" is none."""

    @classmethod
    def of(cls, raw: str | Iterable[str]) -> Self:
        """From what stands in the file."""
        if isinstance(raw, str):
            return cls((raw,) if raw else ())
        return cls(raw)


class Addresses(Texts):
    """IP addresses."""

    @property
    def versions(self) -> set[int]:
        """Which of IPv4 (4) and IPv6 (6) are there."""
        return {ipaddress.ip_address(one).version for one in self}


class Urls(Texts):
    """Addresses of services."""


def typed(value: Value, kind: object, directory: Path) -> Any:
    """The value as its field's type `kind`; a Path becomes absolute. Raises SettingsError."""
    raw = value.value
    if kind is bool and isinstance(raw, bool):
        return raw
    if kind is int and _is_int(raw):
        return raw
    if kind is float and (_is_int(raw) or isinstance(raw, float)) and math.isfinite(raw):  # type: ignore[arg-type]
        return float(raw)  # type: ignore[arg-type]
    if kind is str and _is_text(raw):
        return raw
    if isinstance(kind, type) and issubclass(kind, Texts) and (_is_text(raw) or _is_list_of(raw, _is_text)):
        return kind.of(raw)  # type: ignore[arg-type]
    if kind is Path and _is_text(raw) and raw:
        return directory / raw  # type: ignore[operator]
    if kind == tuple[str, ...] and _is_list_of(raw, _is_text):
        return tuple(raw)  # type: ignore[arg-type]
    if kind == tuple[int, int] and _is_list_of(raw, _is_int) and len(raw) == 2:  # type: ignore[arg-type]
        return tuple(raw)  # type: ignore[arg-type]
    raise value.refuse(f"must be {_WORDS[kind]}, not {raw!r:.60}")


def check(value: Value, found: Any) -> None:
    """Raise SettingsError when `found`, of the right type, is out of the range of its setting."""
    rule = _RULES.get(value.setting, _positive if _is_int(found) or isinstance(found, float) else None)
    why = rule(found) if rule else None
    if why:
        raise value.refuse(f"{why}, not {value.value!r:.60}")


def host_and_port(text: str) -> tuple[str, int]:
    """Take `address:port` apart; an IPv6 address stands in brackets. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise ValueError(text)
    bracketed = host.startswith("[") and host.endswith("]")
    address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    if bracketed != (address.version == 6):
        raise ValueError(text)
    return str(address), int(port)


def is_address(text: str) -> bool:
    """Whether `text` is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_int(raw: object) -> bool:
    return isinstance(raw, int) and not isinstance(raw, bool)


def _is_text(raw: object) -> bool:
    return isinstance(raw, str) and (raw.isprintable() or not raw)


def _is_list_of(raw: object, is_kind: Callable[[object], bool]) -> bool:
    return isinstance(raw, list) and len(raw) <= MAX_LIST and all(map(is_kind, raw))


_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text of printable characters",
    Path: "the name of a file",
    Addresses: "an IP address or a list of them",
    Urls: "an address or a list of them",
    tuple[str, ...]: "a list of texts",
    tuple[int, int]: "a list of two whole numbers",
}


def _positive(found: float) -> str | None:
    return None if found > 0 else "must be more than 0"


def _not_negative(found: float) -> str | None:
    return None if found >= 0 else "must not be negative"


def _two_or_more(found: int) -> str | None:
    return None if found >= 2 else "must be 2 or more"


def _port(found: int) -> str | None:
    return None if 1 <= found <= 65535 else "must be a port, 1 to 65535"


def _port_or_none(found: int) -> str | None:
    return None if 0 <= found <= 65535 else "must be a port, 1 to 65535, or 0 for none"


def _port_range(found: tuple[int, int]) -> str | None:
    first, last = found
    return None if 1 <= first <= last <= 65535 else "must be a first and a last port between 1 and 65535"


def _domain(found: str) -> str | None:
    good = len(found) <= 255 and _DOMAIN.fullmatch(found) and found == found.lower()
    return None if good else "must be a domain name in lower case"


def _domains(found: tuple[str, ...]) -> str | None:
    return next((f"{text!r}: {why}" for text in found if (why := _domain(text))), None)


def _bare_jids(found: tuple[str, ...]) -> str | None:
    for text in found:
        local, _, host = text.partition("@")
        if not _LOCAL.fullmatch(local) or local != local.lower() or _domain(host):
            return f"{text!r} must be a bare JID, as name@domain in lower case"
    return None


def _host(found: str) -> str | None:
    return _address(found) and _domain(found) and "must be an IP address or the name of a host"


def _address(found: str) -> str | None:
    return None if is_address(found) else "must be an IP address"


def _addresses(found: Addresses) -> str | None:
    if len(set(found)) < len(found):
        return "names an address twice"
    return next((f"{text!r} must be an IP address" for text in found if _address(text)), None)


def _some_addresses(found: Addresses) -> str | None:
    return _addresses(found) if found else "must be an IP address or a list of them"


def _hosts(found: Addresses) -> str | None:
    return next((f"{text!r} {why}" for text in found if (why := _host(text))), None)


def _listener(found: str) -> str | None:
    try:
        host_and_port(found)
    except ValueError:
        return 'must be "address:port"'
    return None


def _listeners(found: tuple[str, ...]) -> str | None:
    return next((f'{text!r} must be "address:port"' for text in found if _listener(text)), None)


def _networks(found: tuple[str, ...]) -> str | None:
    for text in found:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            return f"needs networks like 10.0.0.0/8 ({error})"
    return None


def _url(*schemes: str, path: bool = True) -> _Rule:
    def rule(found: str) -> str | None:
        wrong = f"must be an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        try:
            parts = urlsplit(found)
            good = parts.scheme in schemes and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            return wrong
        if not good or parts.query or parts.fragment or (not path and parts.path):
            return wrong if not good or path else f"{wrong}, without a path"
        return None

    return rule


def _bridges(found: Urls) -> str | None:
    if len(set(found)) < len(found):
        return "names a bridge twice"
    rule = _url("http", "https")
    return next((why for text in found if (why := rule(text))), None)


def _origins(found: tuple[str, ...]) -> str | None:
    rule = _url("http", "https", path=False)
    return next((f"{text!r}: {why}" for text in found if (why := rule(text))), None)


def _store(found: str) -> str | None:
    if "://" not in found:
        return None
    wrong = "must be a file, or an address as redis://host:6379/0, rediss://host:6379/0 or unix:///path"
    try:
        parts = urlsplit(found)
        _ = parts.port  # raises where it is none
    except ValueError:
        return wrong
    there = parts.path if parts.scheme == "unix" else parts.hostname
    return None if parts.scheme in ("redis", "rediss", "unix") and there else wrong


def _choice(*choices: str) -> _Rule:
    return lambda found: None if found in choices else f"must be one of {', '.join(choices)}"


def _or_empty(rule: _Rule) -> _Rule:
    return lambda found: rule(found) if found else None


_RULES: dict[str, _Rule] = {
    "xmpp.domain": _domain,
    "xmpp.guest_domain": _or_empty(_domain),
    "xmpp.muc": _or_empty(_domain),
    "xmpp.server": _host,
    "xmpp.c2s_port": _port,
    "xmpp.component_port": _port,
    "focus.domain": _or_empty(_domain),
    "focus.bridge": _bridges,
    "focus.restart_interval_s": _not_negative,
    "calls.domain": _or_empty(_domain),
    "calls.rooms": _choice("open", "closed", "pin"),
    "calls.remote_domains": _domains,
    "bridge.rest": _listener,
    "bridge.address": _some_addresses,
    "bridge.advertise": _addresses,
    "bridge.port": _port,
    "bridge.websocket_url": _url("ws", "wss"),
    "turn.address": _address,
    "turn.advertise": _or_empty(_address),
    "turn.udp_port": _port,
    "turn.tcp_port": _port,
    "turn.tls_port": _port_or_none,
    "turn.tls_host": _or_empty(_host),
    "turn.relay_ports": _port_range,
    "turn.credentials_per_user": _two_or_more,
    "turn.allow_peers": _networks,
    "turn.bridges": _listeners,
    "turn.guest_scope": _choice("bridge", "open"),
    "socks5.domain": _or_empty(_domain),
    "socks5.address": _some_addresses,
    "socks5.advertise": _hosts,
    "socks5.port": _port,
    "socks5.remote_domains": _domains,
    "front.address": _address,
    "front.port": _port,
    "front.http_port": _port_or_none,
    "front.public_url": _or_empty(_url("http", "https", path=False)),
    "front.origins": _origins,
    "front.trusted_proxies": _networks,
    "admin.jids": _bare_jids,
    "journal.store": _or_empty(_store),
    "operation.drain_s": _not_negative,
    "operation.beside_s": _not_negative,
    "log.level": _choice("debug", "info", "warning", "error"),
    "log.format": _choice("text", "json"),
}
"""The rule of each setting; a number without one must be positive."""
