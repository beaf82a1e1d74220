"""Carrying out the effects that go over the link: the same for a conference and for a call."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
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


def ask_peer(link: Link, effect: AskPeer) -> Coroutine[None, None, PeerAnswer]:
    """Send a request and wait for what comes of it; None = no answer in time, or it could not be sent."""
    asked = link.expect if effect.sent else link.request
    return _answer(asked(effect.iq, effect.timeout_s))


async def _answer(asked: Awaitable[Element]) -> PeerAnswer:
    try:
        return await asked
    except (StanzaError, LinkDown) as error:
        return error
    except RequestTimeout:
        return None
    except (StanzaTooLarge, StanzaInvalid) as error:
        _log.error("a request cannot be sent", error=str(error))
        return None
