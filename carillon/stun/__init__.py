"""The STUN message codec (RFC 8489) that relay and bridge share. No I/O."""
