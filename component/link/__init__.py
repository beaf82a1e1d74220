"""The component link: one XEP-0114 session, kept up, that no stanza can hurt."""

from component.link.intake import Limits
from component.link.interface import Link, LinkDown, RequestTimeout, StanzaTooLarge
from component.link.link import ComponentLink
from component.loss import Loss, LossKind, Timing

__all__ = [
    "ComponentLink",
    "Limits",
    "Link",
    "LinkDown",
    "Loss",
    "LossKind",
    "RequestTimeout",
    "StanzaTooLarge",
    "Timing",
]
