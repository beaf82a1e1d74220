"""What the front serves for reading: the meeting page built by `web/`, `/carillon.json` and host-meta.

The built files are held in memory by their path: no request path ever reaches the file system.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote_to_bytes, urlsplit

import structlog

from bosh.acme_challenge import challenge
from bosh.host_meta import host_meta_json, host_meta_xml
from bosh.http import Request, Response, text_response
from bosh.websocket_handshake import movable_url, websocket_url
from carillon import __version__
from carillon.settings import Settings

PAGES = Path(__file__).with_name("pages")
"""Where `make setup` puts the built page."""
HASHED = "assets/"
"""Files below it carry a hash of their content in their name."""
ROOM_NAME_BYTES = 1023
"""A room name becomes the local part of a JID (RFC 7622 §3.3)."""

log = structlog.get_logger()

_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
}
_COMPRESSIBLE = frozenset((".html", ".js", ".css", ".json", ".map", ".webmanifest", ".svg", ".txt", ".wasm"))
_NOT_IN_A_ROOM_NAME = re.compile("[\\x00-\\x20\\x7f-\\xa0\"&'/:<>@\\u2028\\u2029\\ufffe\\uffff]")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")
_PERMISSIONS = "camera=(self), microphone=(self), display-capture=(self), autoplay=(self)"
_NOT_BUILT = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>carillon</title>
<h1>The meeting page is not built</h1><p>Run <code>make setup</code>, then load this page again.</p></html>
"""


@dataclass(frozen=True, slots=True)
class File:
    """One built file."""

    body: bytes
    compressed: bytes | None
    content_type: str
    etag: str
    cache: str


class Site:
    """Answers every request that only reads."""

    def __init__(self, settings: Settings, directory: Path = PAGES) -> None:
        self._directory = directory
        self._files: dict[str, File] = {}
        self._built = (0, 0)
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        """Take what the settings say of addresses."""
        self._acme_webroot = settings.front.acme_webroot
        public = settings.front.public_url.rstrip("/")
        self._websocket = websocket_url(settings)
        self._bosh = f"{public}/http-bind"
        channels = {_origin(bridge.websocket_url) for bridge in settings.all_bridges.values()}
        self._connects_to = {_origin(self._websocket), *channels}
        """Where the page connects to, whatever host it was opened from."""
        self._about = json.dumps(
            {
                "domain": settings.xmpp.domain,
                "guest_domain": settings.xmpp.guest_domain,
                "muc": settings.xmpp.muc,
                "focus": settings.focus.domain,
                "websocket": movable_url(settings),
                "bosh": self._bosh,
                "p2p": settings.front.p2p,
                "version": __version__,
            }
        ).encode()

    def answer(self, request: Request) -> Response:
        """The response to a GET or HEAD."""
        match request.path:
            case "/.well-known/host-meta":
                return host_meta_xml(self._bosh, self._websocket)
            case "/.well-known/host-meta.json":
                return host_meta_json(self._bosh, self._websocket)
            case "/carillon.json":
                return Response(200, self._about, "application/json", {"Cache-Control": "no-cache"})
        if response := challenge(self._acme_webroot, request.path):
            return response
        self._load()
        path = request.path.removeprefix("/")
        if file := self._files.get(path or "index.html"):
            return self._serve(file, request)
        if not path or is_room_name(path):
            if index := self._files.get("index.html"):
                return self._serve(index, request)
            return Response(503, _NOT_BUILT, _CONTENT_TYPES[".html"], {"Cache-Control": "no-store"})
        return text_response(404, "there is nothing here")

    def _serve(self, file: File, request: Request) -> Response:
        """The file, compressed if it may be, or 304 when the client has it."""
        body, etag = file.body, f'"{file.etag}"'
        headers = {"Cache-Control": file.cache}
        if file.compressed is not None:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in {token.partition(";")[0].strip() for token in request.tokens("accept-encoding")}:
                body, etag = file.compressed, f'"{file.etag}-gzip"'
                headers["Content-Encoding"] = "gzip"
        headers["ETag"] = etag
        if file.content_type.startswith("text/html"):
            headers |= self._page_headers(request.headers.get("host", ""))
        if etag in {tag.removeprefix("w/") for tag in request.tokens("if-none-match")}:
            headers.pop("Content-Encoding", None)
            return Response(304, headers=headers)
        return Response(200, body, file.content_type, headers)

    def _page_headers(self, host: str) -> dict[str, str]:
        """The page may load its own files, connect to us, use camera and microphone: nothing else."""
        sockets = set(self._connects_to)
        if _HOST.fullmatch(host):
            sockets |= {f"ws://{host}", f"wss://{host}"}
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; manifest-src 'self'; "
            "img-src 'self' blob: data:; media-src 'self' blob: data: mediastream:; worker-src 'self' blob:; "
            f"connect-src 'self' blob: {' '.join(sorted(sockets))}; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
        )
        return {"Content-Security-Policy": policy, "Permissions-Policy": _PERMISSIONS}

    def _load(self) -> None:
        """Read the files again when the page was built anew."""
        built = _changed_ns(self._directory / "index.html"), _changed_ns(self._directory / HASHED)
        if built == self._built:
            return
        files: dict[str, File] = {}
        if built[0]:
            for path in sorted(self._directory.rglob("*")):
                if path.is_file() and path.suffix in _CONTENT_TYPES:
                    name = path.relative_to(self._directory).as_posix()
                    files[name] = _file(name, path.suffix, path.read_bytes())
        log.info("pages read", files=len(files), bytes=sum(len(file.body) for file in files.values()))
        self._files, self._built = files, built


def is_room_name(segment: str) -> bool:
    """Whether a path, without its first slash, names a room: one segment that is a JID's local part.

    What ends like a file of the page is a missing file, not a room.
    """
    raw = unquote_to_bytes(segment)
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        return False
    if not name or "/" in segment or len(raw) > ROOM_NAME_BYTES or name.startswith("."):
        return False
    return _NOT_IN_A_ROOM_NAME.search(name) is None and PurePosixPath(name).suffix not in _CONTENT_TYPES


def _changed_ns(path: Path) -> int:
    """When it was changed; 0 when there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _origin(url: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _file(name: str, suffix: str, body: bytes) -> File:
    compressed = gzip.compress(body, mtime=0) if suffix in _COMPRESSIBLE else None
    if compressed is not None and len(compressed) >= len(body):
        compressed = None
    cache = "public, max-age=31536000, immutable" if name.startswith(HASHED) else "no-cache"
    return File(body, compressed, _CONTENT_TYPES[suffix], hashlib.sha256(body).hexdigest()[:24], cache)
