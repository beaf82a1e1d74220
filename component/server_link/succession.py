"""What one link process hands over to the next (see carillon.handover): every byte and every socket.

Streams that are not at work yet are not handed over: who is still connecting connects again.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from carillon.handover import Handover, HandoverError
from component.server_link.attachment import PROVEN, Attachment, Stage
from component.server_link.buffer import Kept
from component.server_link.channel import Channel
from component.server_link.delivery import Delivery
from component.server_link.framer import Framer, Stanza
from component.server_link.host import Host
from component.server_link.service import Service

WITHIN_S = 5.0
"""How long this process stands still for the next one (seconds)."""


def handed_over(service: Service, now: float) -> Handover:
    """Pause the service, and give all of it. Raises HandoverError: it works on then."""
    attachments = [one for one in service.attachments if one.stage in PROVEN]
    if any(one.stage is Stage.LEAVING for one in attachments):
        raise HandoverError("a component is being replaced: try again in a second")
    handover = Handover(within_s=WITHIN_S)
    service.pause()
    try:
        assert service.listener is not None
        handover.state = {
            "listener": handover.lend(service.listener),
            "active": service.instances.active,
            "hosts": {name: _of_host(host, handover, now) for name, host in service.hosts.items()},
            "attachments": [_of_attachment(one, handover, now) for one in attachments],
        }
    except BaseException:
        handover.close()
        service.go_on()
        raise
    return handover


def taken_over(service: Service, handover: Handover, now: float) -> None:
    """Have the service, which has not begun, go on with all of it. Raises HandoverError."""
    state = handover.state
    try:
        for name, told in state["hosts"].items():
            host = service.hosts.get(name)
            if host is None:
                raise HandoverError(f"the host {name} is in the configuration no more: restart the link")
            _to_host(host, told, handover, now)
        for told in state["attachments"]:
            service.adopt(_to_attachment(service, told, handover, now))
        service.begin_with(state.get("active"))
        listener = handover.take(state["listener"])
    except (KeyError, TypeError, ValueError) as error:
        raise HandoverError(f"the state is of another kind: {type(error).__name__} {error}") from None
    service.start(listener)


def _of_host(host: Host, handover: Handover, now: float) -> dict[str, Any]:
    upstream = host.upstream
    told: dict[str, Any] = {
        "wanted": upstream.wanted,
        "presences": [list(pair) for pair in host.presences],
        "waiting": _of_all_kept(host.buffer.waiting, now),
        "next_number": host.buffer.next_number,
    }
    if host.session and upstream.channel is not None:
        told |= {"session": host.session, **_of_stream(upstream.channel, upstream.framer, handover)}
    return told


def _to_host(host: Host, told: Mapping[str, Any], handover: Handover, now: float) -> None:
    for ours, theirs in told.get("presences", ()):
        host.presences.add(ours, theirs)
    host.buffer.put_back(_to_all_kept(told.get("waiting", ()), now))
    host.buffer.next_number = told.get("next_number", 0)
    if "session" in told:
        channel = host.upstream.new_channel(handover.take(told["socket"]))
        _to_stream(channel, host.upstream.framer, told)
        host.upstream.adopt(channel, told["session"])
    elif told.get("wanted"):
        host.upstream.want()


def _of_attachment(attachment: Attachment, handover: Handover, now: float) -> dict[str, Any]:
    told: dict[str, Any] = {
        "pid": attachment.pid,
        "host": attachment.host.name if attachment.host is not None else "",
        "active": attachment.stage is Stage.ACTIVE,
        "heard": attachment.heard,
        **_of_stream(attachment.channel, attachment.framer, handover),
    }
    delivery = attachment.delivery
    if delivery is not None:
        told["delivery"] = {
            "acknowledged": delivery.acknowledged,
            "pending": _of_all_kept(delivery.pending, now),
            "asked": delivery.asked,
        }
    return told


def _to_attachment(service: Service, told: Mapping[str, Any], handover: Handover, now: float) -> Attachment:
    attachment = Attachment(handover.take(told["socket"]), told["pid"], service, now)
    _to_stream(attachment.channel, attachment.framer, told)
    if "delivery" in told:
        delivery = attachment.delivery = Delivery(acknowledged=told["delivery"]["acknowledged"])
        for kept in _to_all_kept(told["delivery"]["pending"], now):
            delivery.give(kept)
        delivery.asked = told["delivery"].get("asked", False)
    attachment.heard = told.get("heard", 0)
    attachment.stage = Stage.ACTIVE if told["active"] else Stage.STANDBY
    attachment.host = host = service.hosts[told["host"]]
    host.attachments.append(attachment)
    if told["active"]:
        host.active = attachment
    return attachment


def _of_stream(channel: Channel, framer: Framer, handover: Handover) -> dict[str, Any]:
    between = framer.between_bytes
    if between is None:
        raise HandoverError("a stanza that broke a limit is still being skipped: try again in a second")
    return {
        "socket": handover.lend(channel.socket),
        "opening": framer.opening.decode(),
        "between": _text(between),
        "unsent": _text(channel.unsent),
    }


def _to_stream(channel: Channel, framer: Framer, told: Mapping[str, Any]) -> None:
    framer.feed(told["opening"].encode() + b64decode(told["between"]))
    channel.write(b64decode(told["unsent"]))


def _of_all_kept(all_kept: Iterable[Kept], now: float) -> list[dict[str, Any]]:
    return [
        {
            "tag": kept.stanza.tag,
            "attributes": kept.stanza.attributes,
            "data": _text(kept.stanza.data),
            "age_s": now - kept.arrived,
            "number": kept.number,
        }
        for kept in all_kept
    ]


def _to_all_kept(told: Iterable[Mapping[str, Any]], now: float) -> list[Kept]:
    return [
        Kept(Stanza(one["tag"], one["attributes"], b64decode(one["data"])), now - one["age_s"], one["number"])
        for one in told
    ]


def _text(data: bytes) -> str:
    return b64encode(data).decode()
