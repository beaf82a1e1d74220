"""The one error of the codec."""


class StunError(Exception):
    """Bytes that are no well-formed STUN message or attribute, or values that fit into none."""
