"""Colibri2 requests carried out (the rules of JVB's Colibri2ConferenceHandler). No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from bridge import dtls
from bridge.conference import Conference
from bridge.endpoint import Endpoint
from bridge.ice_data import Credentials, foundation
from bridge.registry import Registry
from jingle import colibri2
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify
from jingle.ice import Candidate, Fingerprint, IceTransport
from jingle.sources import Source

SERVER_ID = "default-id"
"""JVB's name of itself in bridge-channel addresses when none is configured."""
MAX_ID_LENGTH = 256
MAX_SSRCS = 128
"""SSRCs in the source list of one endpoint."""
_UDP_PREFERENCE = 126 << 24 | 65535 << 8 | 255
_TCP_PREFERENCE = 90 << 24 | ((4 << 13) + 8191) << 8 | 255
"""Passive TCP (RFC 6544 §4.2), of a type that any candidate over UDP is preferred to."""
_SOURCE_NAMES = "source-names"


class Refusal(Colibri2Error):
    """A refusal that has no Colibri2 reason of its own; `status` is the HTTP status that tells it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__("unspecified", text)
        self.status = status


@dataclass(frozen=True)
class Site:
    """What clients are told of the bridge."""

    addresses: tuple[str, ...]
    """Where media go, the one to prefer first; to the same port over UDP and TCP."""
    port: int
    websocket_url: str
    """How the address of the bridge channel begins."""
    server_id: str = SERVER_ID
    """What follows in it: the front tells bridges apart by it."""

    def candidates(self) -> tuple[Candidate, ...]:
        """Our host candidates. A static NAT mapping is none of the client's business."""
        found: list[Candidate] = []
        for place, ip in enumerate(self.addresses):
            for protocol, preference in (("udp", _UDP_PREFERENCE), ("tcp", _TCP_PREFERENCE)):
                found.append(
                    Candidate(
                        foundation(ip, protocol),
                        1,
                        protocol,
                        preference - (place << 8),
                        ip,
                        self.port,
                        "host",
                        id=str(len(found) + 1),
                        network=0,
                        tcp_type="passive" if protocol == "tcp" else "",
                    )
                )
        return tuple(found)


def modify(registry: Registry, site: Site, request: ConferenceModify, now: float) -> ConferenceModified:
    """Create, change or expire a conference and its endpoints. Raises Colibri2Error."""
    _validate(request)
    conference = _conference(registry, request, now)
    forgiving = not any(map(_builds, request.endpoints))
    try:
        answers = tuple(
            _endpoint(registry, site, conference, endpoint, forgiving=forgiving, now=now)
            for endpoint in request.endpoints
        )
    except Colibri2Error:
        if request.create:
            registry.expire_conference(conference, "expired", now)
        raise
    if request.expire or (not request.create and not conference.endpoints):
        registry.expire_conference(conference, "expired", now)
    building = request.create or any(endpoint.create for endpoint in request.endpoints)
    return ConferenceModified(answers, _feedback_sources(conference) if building else ())


def _feedback_sources(conference: Conference) -> tuple[colibri2.MediaSource, ...]:
    """The SSRCs of the bridge's own RTCP, under JVB's names.

    Without a source in each first m-line the lib-jitsi-meet of 2026 negotiates anew for ever.
    """
    ssrcs = {"audio": conference.router.audio_ssrc, "video": conference.router.ssrc}
    return tuple(
        colibri2.MediaSource(f"jvb-{kind[0]}0", kind, (Source(ssrc, name=f"jvb-{kind[0]}0"),))
        for kind, ssrc in ssrcs.items()
    )


def _builds(endpoint: colibri2.Endpoint) -> bool:
    return bool(
        endpoint.create or endpoint.media or endpoint.transport is not None or endpoint.sources is not None
    )


def _validate(request: ConferenceModify) -> None:
    if len(request.endpoints) > 1 and any(map(_builds, request.endpoints)):
        raise Colibri2Error(
            "feature_not_implemented",
            "media, sources or transport of more than one endpoint in a request",
        )
    for name in (request.meeting_id, *(endpoint.id for endpoint in request.endpoints)):
        if not 0 < len(name) <= MAX_ID_LENGTH:
            raise Refusal(400, "a meeting-id or endpoint id is missing or too long")
    for endpoint in request.endpoints:
        if sum(len(source.sources) for source in endpoint.sources or ()) > MAX_SSRCS:
            raise Refusal(400, "too many sources")


def _conference(registry: Registry, request: ConferenceModify, now: float) -> Conference:
    conference = registry.conferences.get(request.meeting_id)
    if not request.create:
        if conference is None:
            raise Colibri2Error("conference_not_found", f"no conference {request.meeting_id}")
        return conference
    if conference is not None:
        raise Colibri2Error("conference_already_exists", f"conference {request.meeting_id} exists")
    if registry.draining:
        raise Colibri2Error("graceful_shutdown", "no new conferences are accepted")
    return registry.create_conference(request.meeting_id, request.name, now)


def _endpoint(
    registry: Registry,
    site: Site,
    conference: Conference,
    request: colibri2.Endpoint,
    *,
    forgiving: bool,
    now: float,
) -> colibri2.Endpoint:
    if request.expire:
        conference.remove(request.id, "expired", now)
        return colibri2.Endpoint(request.id, expire=True)
    remote = _remote(request)
    endpoint = conference.endpoints.get(request.id)
    sent: tuple[colibri2.MediaSource, ...] | None = None
    if request.create:
        if endpoint is not None:
            raise Refusal(409, f"endpoint {request.id} exists")
        endpoint = _create(registry, conference, request, now)
        sent = conference.router.set_capabilities(request.id, request.capabilities) or None
    elif endpoint is None:
        if forgiving:
            return colibri2.Endpoint(request.id)
        raise Colibri2Error("unknown_endpoint", f"no endpoint {request.id}")
    elif request.media:
        conference.router.set_media(request.id, request.media)
    if remote is not None:
        _set_remote(endpoint, *remote, now=now)
    _set_media_state(conference, endpoint, request, now)
    transport = None
    if request.create or _restarted(registry, endpoint, request):
        transport = colibri2.Transport(ice=describe(endpoint, conference, registry, site))
    return colibri2.Endpoint(request.id, transport=transport, sources=sent)


def _create(registry: Registry, conference: Conference, request: colibri2.Endpoint, now: float) -> Endpoint:
    if request.transport is None:
        raise Refusal(400, f"endpoint {request.id} has no transport")
    if _SOURCE_NAMES not in request.capabilities:
        raise Refusal(400, "the capability source-names is mandatory")
    if len(registry.endpoints) >= registry.max_endpoints:
        raise Refusal(503, "the bridge has as many endpoints as it may")
    endpoint = registry.create_endpoint(
        conference, request.id, request.media, controlling=request.transport.ice_controlling, now=now
    )
    endpoint.visitor = request.muc_role == "visitor"
    return endpoint


def _set_media_state(
    conference: Conference, endpoint: Endpoint, request: colibri2.Endpoint, now: float
) -> None:
    router = conference.router
    if request.sources is not None:
        if request.sources and endpoint.visitor:
            raise Refusal(400, f"endpoint {request.id} is a visitor and may not have sources")
        router.set_sources(request.id, request.sources, now)
    if request.force_mute_audio is not None or request.force_mute_video is not None:
        router.set_force_mute(request.id, audio=request.force_mute_audio, video=request.force_mute_video)
    if request.initial_last_n is not None:
        message = {"colibriClass": "LastNChangedEvent", "lastN": request.initial_last_n}
        router.receive_message(request.id, message, now)


def _remote(request: colibri2.Endpoint) -> tuple[Credentials | None, tuple[Fingerprint, ...]] | None:
    """The client's side of the transport, checked; candidates are not looked at (see bridge.ice)."""
    ice = request.transport.ice if request.transport is not None else None
    if ice is None:
        return None
    if bool(ice.ufrag) != bool(ice.pwd) or len(ice.ufrag) > MAX_ID_LENGTH or len(ice.pwd) > MAX_ID_LENGTH:
        raise Refusal(400, "ufrag and pwd belong together and have at most 256 characters")
    if not ice.ufrag.isascii() or not ice.pwd.isascii():
        raise Refusal(400, "ufrag or pwd is not ASCII")
    if ice.fingerprints and not dtls.usable(ice.fingerprints):
        raise Refusal(400, "no fingerprint with sha-256, sha-384 or sha-512")
    credentials = Credentials(ice.ufrag, ice.pwd) if ice.ufrag else None
    return credentials, ice.fingerprints


def _set_remote(
    endpoint: Endpoint, credentials: Credentials | None, fingerprints: tuple[Fingerprint, ...], *, now: float
) -> None:
    if credentials is None:
        return
    if not fingerprints and not endpoint.transport.has_fingerprint:
        raise Refusal(400, "no fingerprint")
    endpoint.transport.set_remote(credentials, fingerprints, now)


def _restarted(registry: Registry, endpoint: Endpoint, request: colibri2.Endpoint) -> bool:
    """Carry out an ICE restart if one is asked for and possible: the answer says so by having a transport."""
    if request.transport is None or not request.transport.ice_restart or not endpoint.transport.connected:
        return False
    registry.restart_ice(endpoint)
    return True


def describe(endpoint: Endpoint, conference: Conference, registry: Registry, site: Site) -> IceTransport:
    """What the client has to know to reach this endpoint."""
    local = endpoint.transport.ice.local
    path = "/".join(quote(part, safe="") for part in (site.server_id, conference.meeting_id, endpoint.id))
    return IceTransport(
        local.ufrag,
        local.pwd,
        fingerprints=(Fingerprint("sha-256", registry.certificate.fingerprint, "actpass"),),
        candidates=site.candidates(),
        web_sockets=(f"{site.websocket_url.rstrip('/')}/{path}?pwd={endpoint.channel_password}",),
        rtcp_mux=True,
        ice_generation=endpoint.ice_generation or None,
    )
