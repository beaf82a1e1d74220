"""The checks of the component: its handshake with the XMPP server, domain, guests, clock, rights in rooms.

They ask the running component (component.self_check). Where none runs, they connect as it would, but only in
names that nobody answers for: a running component is never pushed aside.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable

from carillon.check import clock, configuration, guest, process, server_domain
from carillon.check.finding import Finding, error, name_of, ok, warning
from carillon.check.guest import GuestSeen
from carillon.check.process import Answer
from carillon.check.running import Check
from carillon.check.words import why
from carillon.control import ControlError, ask
from carillon.journal import check as journal
from carillon.settings import Settings, SettingsError
from component.hosts import NO_SUCH_HOST, hosts_of, trouble
from component.link import ComponentLink, Loss, LossKind, Timing
from component.links import link_of
from component.rooms_probe import TIMEOUT, RoomsSeen
from component.self_check import RESOURCE, LinkSeen, Observation, SelfCheck
from component.server_link.check import instances

PART = "component"
HANDSHAKE = "handshake"
LOOK_S = 12.0
"""What the component may take: each of its questions to the server has a time-out of its own."""
_TIMING = Timing(connect_s=4.0, handshake_s=4.0)
_POLL_S = 0.02


def checks(settings: Settings) -> list[Check]:
    """The checks of this part."""
    return [
        Check(PART, "XMPP server", lambda: _look(settings)),
        Check(PART, "journal", lambda: journal.look(settings)),
    ]


async def _look(settings: Settings) -> Iterable[Finding]:
    seen, served, guests = await asyncio.gather(
        process.look(PART, settings),
        server_domain.look(settings.xmpp),
        guest.look(settings.xmpp, hosts_of(settings)),
    )
    found = [*served, of_guests(guests, settings)]
    observation = await _asked(settings) if seen.answer in (Answer.HEALTHY, Answer.TROUBLE) else None
    if observation is None:
        observation, not_tried = await _in_its_place(settings, guests)
        found += not_tried
    if observation is not None:
        found += of_observation(observation, settings, time.time())
    # What it says of its trouble is what the findings above say at greater length.
    explained = name_of(PART, HANDSHAKE) if seen.answer is Answer.TROUBLE else ""
    unreadable = configuration.unreadable(settings, PART)
    return [*found, process.verdict(seen, (), explained, *unreadable)]


async def _asked(settings: Settings) -> Observation | None:
    """What the running component sees; None when it does not say."""
    try:
        status, text = await ask(settings.focus.control, RESOURCE, LOOK_S)
        return Observation.from_json(json.loads(text)) if status == 200 else None
    except (ControlError, ValueError):
        return None


async def _in_its_place(settings: Settings, guests: GuestSeen) -> tuple[Observation | None, list[Finding]]:
    """What can be seen without the component. Where a link holds its sessions, all that there is to know."""
    answers = settings.focus.domain in guests.answering
    if settings.link.enabled and not answers and await instances(settings) is not None:
        return None, []  # the check of the link says that no component is attached
    return await _tried(settings, guests)


async def _tried(settings: Settings, guests: GuestSeen) -> tuple[Observation | None, list[Finding]]:
    """What can be seen over links of our own, in the names that are free; or why there are none."""
    if guests.trouble:
        return await _without_guests(settings)
    free = [host for host in hosts_of(settings) if host in guests.free]
    focus = settings.focus.domain
    if focus in guests.answering:
        todo = "run the check where that one runs, as its user"
        what = f"a component is connected as {focus} that cannot be asked from here"
        return None, [warning(PART, HANDSHAKE, what, todo)]
    if focus not in free:
        what = f"not tried: the server does not say whether another component is connected as {focus}"
        return None, [warning(PART, HANDSHAKE, what, "start the component, then check again")]
    try:
        links = [link_of(settings, host, _TIMING, direct=True) for host in free]
    except SettingsError:
        return None, []  # the check of the configuration says it
    return await _over(links, settings), []


async def _without_guests(settings: Settings) -> tuple[Observation | None, list[Finding]]:
    """Nobody can tell whether the names are free: all that is tried is whether there is a server."""
    xmpp, domain = settings.xmpp, settings.focus.domain
    try:
        async with asyncio.timeout(_TIMING.connect_s):
            _, writer = await asyncio.open_connection(xmpp.server, xmpp.component_port)
            writer.close()
    except OSError as failure:  # TimeoutError is one
        return Observation((LinkSeen(domain, False, LossKind.REFUSED, why(failure)),)), []
    what = f"not tried: without a guest nobody can tell whether another component is connected as {domain}"
    return None, [warning(PART, HANDSHAKE, what, "start the component, then check again")]


async def _over(links: list[ComponentLink], settings: Settings) -> Observation:
    look = SelfCheck(links, settings.xmpp.muc, settings.xmpp.domain)
    try:
        for link in links:
            await link.start()
        while any(not link.up and link.loss is None for link in links):  # noqa: ASYNC110 - a loss has no event
            await asyncio.sleep(_POLL_S)
        return await look.look()
    finally:
        for link in links:
            await link.stop()


def of_guests(seen: GuestSeen, settings: Settings) -> Finding:
    """What it means how a guest fared."""
    xmpp = settings.xmpp
    if not seen.trouble:
        return ok(PART, "guests", f"guests can log in on {xmpp.guest_domain}")
    todo = (
        f"people without an account need it: {_SNIPPET}; the front connects for them to xmpp.c2s_port,"
        f" {xmpp.c2s_port}, without TLS"
    )
    after = name_of(PART, HANDSHAKE), name_of(PART, server_domain.SUBJECT)
    return warning(PART, "guests", f"guests cannot log in: {seen.trouble}", todo, *after)


def of_observation(seen: Observation, settings: Settings, now: float) -> list[Finding]:
    """All findings of what was seen; `now` is the Unix time."""
    found = of_links(seen.links, settings)
    if seen.rooms is None:
        return found
    server_s = clock.unix_time(seen.utc)
    return [
        *found,
        clock.verdict(None if server_s is None else server_s + seen.age_s, now),
        *of_rooms(seen.rooms, settings),
    ]


def of_links(links: Iterable[LinkSeen], settings: Settings) -> list[Finding]:
    """What it means which links have a session. The first is that of the focus."""
    focus, *others = links
    if focus.up:
        found = [ok(PART, HANDSHAKE, f"the XMPP server has accepted {focus.domain}")]
    elif focus.loss is None:
        found = [error(PART, HANDSHAKE, "the component is still connecting to the XMPP server", "ask again")]
    else:
        found = [_of_focus(focus.domain, Loss(focus.loss, focus.detail), others, settings)]
    return [*found, *(_of_other(link, settings) for link in others)]


def _of_focus(domain: str, loss: Loss, others: list[LinkSeen], settings: Settings) -> Finding:
    """Why the focus has no session; the other hosts tell which of its two meanings a refusal has."""
    secret = settings.xmpp.secret_file
    accepted = next((link.domain for link in others if link.up), "")
    match loss.kind:
        case LossKind.NOT_AUTHORIZED if accepted:
            what = (
                f"the XMPP server knows no component {domain}, or has another secret for it:"
                f" it takes the one in {secret} for {accepted}"
            )
            todo = f"add the host {domain} to its configuration: {_SNIPPET}"
        case LossKind.NOT_AUTHORIZED:
            what = f"the XMPP server refuses the secret for {domain}: it has another one than {secret}"
            todo = (
                "write what stands in that file into the server's configuration (Prosody: component_secret of"
                f' Component "{domain}"; ejabberd: password of {domain} under hosts of ejabberd_service,'
                " where a host that is missing gets the same answer)"
            )
        case LossKind.HOST_UNKNOWN:
            what = f"the XMPP server knows no component {domain}"
            todo = f"add it to its configuration ({_SNIPPET}); xmpp.component_port is its port for components"
        case LossKind.CONFLICT:
            what = trouble(settings, domain, loss)
            todo = "stop the other one (Jicofo, or a second carillon), or give focus.domain another name"
        case LossKind.NO_LINK | LossKind.LINK_SILENT:
            what = trouble(settings, domain, loss)
            todo = "start carillon link with this configuration, or set link.enabled = false"
            return error(PART, HANDSHAKE, what, todo, name_of("link", process.SUBJECT))
        case LossKind.STANDBY:
            what = trouble(settings, domain, loss)
            todo = "nothing, unless that process should have ended: stop it then"
            return warning(PART, HANDSHAKE, what, todo)
        case LossKind.REFUSED | LossKind.SILENT:
            what = trouble(settings, domain, loss)
            todo = "start the XMPP server, or mend xmpp.server and xmpp.component_port"
        case _:
            where = f"{settings.xmpp.server}:{settings.xmpp.component_port}"
            what = f"{where} ends the handshake of {domain}: {loss.text}"
            todo = (
                "is xmpp.component_port the server's port for components (5347), and not the one for clients?"
                " Its log says more"
            )
    return error(PART, HANDSHAKE, what, todo, *configuration.unreadable(settings, PART))


_SNIPPET = "carillon snippet prosody (or ejabberd) prints it"


def _of_other(link: LinkSeen, settings: Settings) -> Finding:
    """A host that meetings do without."""
    calls = link.domain == settings.calls.domain
    what, section = ("calls of ordinary clients", "calls") if calls else ("the bytestream proxy", "socks5")
    if link.up:
        return ok(PART, link.domain, f"the XMPP server has accepted {link.domain}")
    handshake = name_of(PART, HANDSHAKE)
    if link.loss in NO_SUCH_HOST:
        todo = f"{_SNIPPET}; or set enabled = false under [{section}]"
        return warning(
            PART, link.domain, f"the XMPP server knows no component {link.domain}: {what}", todo, handshake
        )
    why = (
        trouble(settings, link.domain, Loss(link.loss, link.detail))
        if link.loss
        else "it is still connecting"
    )
    return warning(PART, link.domain, f"{what}: {why}", "ask again when that is mended", handshake)


_RIGHTS, _LOCKING, _REAL_JID = "MUC rights", "room locking", "real addresses"


def of_rooms(seen: RoomsSeen, settings: Settings) -> list[Finding]:
    """What it means what the focus could do in rooms."""
    muc, focus = settings.xmpp.muc, f"focus@{settings.focus.domain}"
    found = [_of_rights(seen, muc, focus)]
    if seen.no_service:
        return found
    if seen.locked:
        what = f"new rooms on {muc} are locked: who comes before their owner has configured them is refused"
        todo = "Prosody: muc_room_locking = false under its Component; then reload it"
        found.append(error(PART, _LOCKING, what, todo))
    elif not seen.creates:
        found.append(ok(PART, _LOCKING, "a new room is open at once"))
    if seen.creates or seen.configures:
        return found
    if seen.enters:
        what = f"a participant cannot enter a room that the focus has made on {muc} ({seen.enters})"
        todo = "the MUC's defaults must let everybody in: neither members-only nor with a password"
        return [*found, error(PART, _REAL_JID, what, todo, name_of(PART, _LOCKING))]
    if not seen.real_jid:
        what = f"participants do not see the real address of {focus} in rooms on {muc}, and so ignore it"
        todo = (
            "Prosody: muc_room_default_public_jids = true; ejabberd: anonymous: false in default_room_options"
        )
        return [*found, error(PART, _REAL_JID, what, todo, name_of(PART, _RIGHTS))]
    return [*found, ok(PART, _REAL_JID, "participants see the real address of the focus")]


def _of_rights(seen: RoomsSeen, muc: str, focus: str) -> Finding:
    mend = (
        f'make it one (Prosody: admins = {{ "{focus}" }} and component_admins_as_room_owners = true under'
        f' Component "{muc}" "muc"; ejabberd: access_admin of mod_muc), and restart the server'
    )
    if TIMEOUT in (seen.no_service, seen.creates, seen.configures, seen.stranger_refuses):
        return error(PART, _RIGHTS, f"the MUC service {muc} does not answer", "the server's log may say why")
    if seen.no_service:
        what = f"the XMPP server has no MUC service {muc} ({seen.no_service})"
        return error(PART, _RIGHTS, what, f"add it, or mend xmpp.muc: {_SNIPPET}")
    if seen.creates:
        return error(
            PART,
            _RIGHTS,
            f"{focus} is no administrator of {muc}: it may not open rooms ({seen.creates})",
            mend,
        )
    if seen.configures:
        what = f"{focus} may not configure a room that it has opened on {muc} ({seen.configures})"
        return error(PART, _RIGHTS, what, mend)
    if seen.stranger_refuses:
        what = f"{focus} cannot enter a room on {muc} that somebody else has opened ({seen.stranger_refuses})"
        return error(PART, _RIGHTS, what, mend)
    if seen.stranger_affiliation not in ("", "owner"):
        what = f"{focus} is no administrator of {muc}: it has no rights in rooms that somebody else owns"
        return error(PART, _RIGHTS, what, mend)
    return ok(PART, _RIGHTS, f"{focus} is owner of every room on {muc}")
