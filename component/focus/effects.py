"""What the core of a conference asks its shell to do.

The core never waits: an effect that has an answer carries `done`, which the shell hands back to
`Conference.answered` together with that answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from component.link import LinkDown
from component.stanza_error import StanzaError
from jingle.colibri2 import Colibri2Error, ConferenceModified, ConferenceModify


class BridgeUnreachable(Exception):
    """The bridge did not answer, or answered with something that is not Colibri2."""


PeerAnswer = Element | StanzaError | LinkDown | None
"""The result `<iq/>`, the error the peer sent, no session with the server, or None: nothing in time."""

BridgeAnswer = ConferenceModified | Colibri2Error | BridgeUnreachable


@dataclass(frozen=True)
class Send:
    """Send a presence or a message."""

    stanza: Element


@dataclass(frozen=True)
class AskPeer:
    """Send an IQ and hand its answer to `done`."""

    iq: Element
    done: Callable[[PeerAnswer, float], None]
    timeout_s: float = 15.0
    sent: bool = False
    """A process before this one has sent it: only its answer is waited for."""


@dataclass(frozen=True)
class AskBridge:
    """Send a Colibri2 request and hand its answer to `done`. Those of one conference to one bridge keep their
    order."""

    bridge: str
    """The address of the bridge (component.focus.bridge_pool)."""
    request: ConferenceModify
    done: Callable[[BridgeAnswer, float], None]


@dataclass(frozen=True)
class AnswerRequest:
    """Answer the conference request that was given `ticket`: ready, or refused with `error`."""

    ticket: int
    error: StanzaError | None = None


@dataclass(frozen=True)
class Ended:
    """The conference is over: forget it."""


Effect = Send | AskPeer | AskBridge | AnswerRequest | Ended
