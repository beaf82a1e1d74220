"""Carrying out the effects that go over the link: the same for a conference and for a call."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import structlog

from component.focus.effects import AskPeer, PeerAnswer
from component.link import Link, LinkDown, RequestTimeout, StanzaTooLarge
from component.stanza import StanzaInvalid
from component.stanza_error import StanzaError

_log = structlog.get_logger()


def send(link: Link, stanza: Element) -> None:
    """Send a stanza; one that cannot be sent is a mistake of ours and is logged."""
    try:
        link.send(stanza)
    except (StanzaTooLarge, StanzaInvalid) as error:
        _log.error("a stanza cannot be sent", error=str(error))


async def ask_peer(link: Link, effect: AskPeer) -> PeerAnswer:
    """Send a request and wait for what comes of it; None = no answer in time, or it could not be sent."""
    try:
        return await link.request(effect.iq, effect.timeout_s)
    except (StanzaError, LinkDown) as error:
        return error
    except RequestTimeout:
        return None
    except (StanzaTooLarge, StanzaInvalid) as error:
        _log.error("a request cannot be sent", error=str(error))
        return None
