"""The relay: STUN and TURN server."""
