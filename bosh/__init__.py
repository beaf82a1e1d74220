"""The HTTP front: XMPP over WebSocket (RFC 7395), host-meta (XEP-0156), pages."""
