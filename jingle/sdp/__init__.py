"""Jingle contents as a session description and back (RFC 8866, 8829, 8843): what a browser or aioice speaks.

What has no place in a session description is left out: names, owners and types of sources, candidate ids,
bridge channel addresses, SDES, and everything that stands beside the contents of a request.
"""

from jingle.sdp.build import build_sdp
from jingle.sdp.description import SessionDescription
from jingle.sdp.parse import parse_sdp

__all__ = ["SessionDescription", "build_sdp", "parse_sdp"]
