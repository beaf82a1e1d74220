"""/.well-known/host-meta (RFC 6415) with the links of XEP-0156: where a web client connects."""

from __future__ import annotations

import json
from xml.sax.saxutils import quoteattr

from bosh.http import Response

BOSH_RELATION = "urn:xmpp:alt-connections:xbosh"
WEBSOCKET_RELATION = "urn:xmpp:alt-connections:websocket"
_HEADERS = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}


def host_meta_xml(bosh_url: str, websocket_url: str) -> Response:
    """The XRD document."""
    body = (
        "<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n"
        f"  <Link rel='{BOSH_RELATION}' href={quoteattr(bosh_url)}/>\n"
        f"  <Link rel='{WEBSOCKET_RELATION}' href={quoteattr(websocket_url)}/>\n</XRD>\n"
    )
    return Response(200, body.encode(), "application/xrd+xml", _HEADERS)


def host_meta_json(bosh_url: str, websocket_url: str) -> Response:
    """The same as JSON (RFC 6415 appendix A)."""
    links = [
        {"rel": BOSH_RELATION, "href": bosh_url},
        {"rel": WEBSOCKET_RELATION, "href": websocket_url},
    ]
    return Response(200, json.dumps({"links": links}).encode(), "application/json", _HEADERS)
