"""TURN (RFC 8656) as a sans-I/O server and its UDP and TCP shells."""
