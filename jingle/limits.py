"""How much of everything one Jingle or Colibri2 element may hold. Beyond: an error, except where said.

The stanza itself is limited before it gets here (bytes, depth, elements); these numbers bound what one
element may make us remember.
"""

MAX_CONTENTS = 16
"""Contents of one session. Browsers' calls have 2 or 3; two video contents are the most seen."""
MAX_GROUPS = 8
"""`<group/>` of one element; one BUNDLE and a few LS."""
MAX_PAYLOAD_TYPES = 128
"""The RTP payload type has 7 bits."""
MAX_PARAMETERS = 32
"""`<parameter/>` of one payload type or source; the longest seen has 5."""
MAX_FEEDBACK = 32
"""`<rtcp-fb/>` of one payload type or description."""
MAX_HEADER_EXTENSIONS = 64
"""Browsers offer up to 17."""
MAX_SOURCES = 1024
"""`<source/>` of one description: a joiner is told all of a conference, six per camera if not stripped."""
MAX_SSRC_GROUPS = 1024
"""`<ssrc-group/>` of one description."""
MAX_GROUP_SSRCS = 32
"""SSRCs of one group; simulcast has 3 or 4."""
MAX_FINGERPRINTS = 8
"""One per hash function."""
MAX_CANDIDATES = 50
"""Candidates of one transport; the rest is dropped: a host with many addresses is no attacker."""
MAX_WEB_SOCKETS = 4
"""Bridge channel addresses of one transport."""
MAX_ENDPOINTS = 512
"""Endpoints of one Colibri2 request (several only to expire or to force mute)."""
MAX_MEDIA = 8
"""`<media/>` of one Colibri2 endpoint."""
MAX_CAPABILITIES = 32
"""`<capability/>` of one Colibri2 endpoint."""
MAX_MEDIA_SOURCES = 256
"""Named sources of one Colibri2 endpoint."""
MAX_OWNERS = 1024
"""Owners of one JSON-encoded list of sources."""
MAX_PROPERTIES = 64
"""Properties of one conference request or presence."""

NAME_CHARS = 256
"""Names, identifiers, hash names."""
VALUE_CHARS = 2048
"""Values of format parameters (H.264 parameter sets are the longest), addresses, URIs."""
TEXT_CHARS = 4096
"""Human-readable text."""
JSON_CHARS = 262144
"""JSON inside an element: never more than the largest stanza."""
SDP_BYTES = 262144
"""One session description."""
SDP_LINES = 8192
"""Lines of one session description."""
