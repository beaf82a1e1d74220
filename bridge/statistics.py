"""Figures of the bridge, under the names JVB gives them where it has them."""

from __future__ import annotations

import secrets
from typing import Any

from bridge.conference import Conference
from bridge.ice_data import Address
from bridge.registry import Registry, Totals
from carillon import __version__

_TRAFFIC = ("packets_received", "bytes_received", "packets_sent", "bytes_sent")


class Statistics:
    """Reads the registry; keeps the last sums to make rates of them."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.instance = secrets.token_hex(8)
        """Another one after each start: who knows the one before knows what this bridge does not know."""
        self.graceful_shutdown = False
        """Whether the bridge ends when its conferences have ended."""
        self._last_at: float | None = None
        self._last: dict[str, int] = {}
        self._rates = dict.fromkeys(_TRAFFIC, 0.0)

    @property
    def traffic(self) -> dict[str, int]:
        """Sums over endpoints that are gone and those that are there."""
        totals: Totals = self._registry.totals
        return {
            name: getattr(totals, name)
            + sum(getattr(endpoint.transport, name) for endpoint in self._registry.endpoints)
            for name in _TRAFFIC
        }

    @property
    def ice_succeeded(self) -> int:
        """Endpoints, gone or there, that ICE has found a way to."""
        there = sum(endpoint.transport.ice_succeeded for endpoint in self._registry.endpoints)
        return self._registry.totals.ice_succeeded + there

    @property
    def stress(self) -> float:
        """How full the bridge is, from 0 to 1."""
        return len(self._registry.endpoints) / self._registry.max_endpoints

    @property
    def sizes(self) -> list[int]:
        """How many endpoints each conference has."""
        return [len(conference.endpoints) for conference in self._registry.conferences.values()]

    def rates(self, now: float) -> dict[str, float]:
        """Packets and bytes per second since the last look, by the names of `traffic`."""
        self._measure(now)
        return dict(self._rates)

    def _measure(self, now: float) -> dict[str, int]:
        """The sums, after bringing the rates up to date: they cover the time since the last look."""
        traffic = self.traffic
        if self._last_at is None or now - self._last_at >= 1.0:
            if self._last_at is not None:
                passed = now - self._last_at
                self._rates = {name: (traffic[name] - self._last[name]) / passed for name in _TRAFFIC}
            self._last_at, self._last = now, traffic
        return traffic

    def all(self, now: float) -> dict[str, Any]:
        """What /colibri/stats gives, without the time stamp."""
        registry, totals, traffic = self._registry, self._registry.totals, self._measure(now)
        endpoints = len(registry.endpoints)
        connected = [endpoint for endpoint in registry.endpoints if endpoint.transport.connected]
        return {
            "conferences": len(registry.conferences),
            "endpoints": endpoints,
            "participants": endpoints,
            "local_endpoints": endpoints,
            "local_active_endpoints": len(connected),
            "largest_conference": max(self.sizes, default=0),
            "stress_level": self.stress,
            "total_conferences_created": totals.conferences_created,
            "total_conferences_completed": totals.conferences_completed,
            "total_participants": totals.endpoints,
            "total_ice_succeeded": self.ice_succeeded,
            "total_conference_seconds": round(totals.conference_seconds),
            "total_ice_failed": totals.ice_failed,
            "dtls_failed_endpoints": totals.dtls_failed,
            **{f"total_{name}": value for name, value in traffic.items()},
            "unanswered_s": round(registry.unanswered_s(now), 3),
            "packet_rate_download": round(self._rates["packets_received"]),
            "packet_rate_upload": round(self._rates["packets_sent"]),
            "bit_rate_download": round(self._rates["bytes_received"] * 8 / 1000),
            "bit_rate_upload": round(self._rates["bytes_sent"] * 8 / 1000),
            "graceful_shutdown": self.graceful_shutdown,
            "shutting_down": False,
            "drain": registry.draining,
            "healthy": True,
            "version": __version__,
            "instance": self.instance,
        }

    def conference(self, conference: Conference, now: float) -> dict[str, Any]:
        """One conference: its endpoints' transports, and what the router tells."""
        return {
            "meeting-id": conference.meeting_id,
            "name": conference.name,
            "age_s": round(now - conference.created_at, 1),
            "endpoints": {
                endpoint.id: {
                    "ice": endpoint.transport.ice_succeeded,
                    "connected": endpoint.transport.connected,
                    "channel": endpoint.channel is not None,
                    "remote": _remote(endpoint.transport.remote),
                    **{name: getattr(endpoint.transport, name) for name in _TRAFFIC},
                }
                for endpoint in conference.endpoints.values()
            },
            "router": conference.router.stats(now),
        }


def _remote(address: Address | None) -> dict[str, Any] | None:
    """Where an endpoint's media go, as far as that is known."""
    if address is None:
        return None
    return {"protocol": address.base.protocol, "ip": address.ip, "port": address.port}
