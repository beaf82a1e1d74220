"""What went wrong with a connection, in words that an operator knows."""

from __future__ import annotations

import os
import ssl


def why(failure: BaseException) -> str:
    """The reason of a failed connection or request; what asyncio and aiohttp wrap around it is left out."""
    reason = getattr(failure, "os_error", failure)  # aiohttp's connection errors have one
    if isinstance(reason, ssl.SSLError):  # its number is one of OpenSSL's
        return f"no TLS ({reason.reason or reason})"
    if isinstance(reason, OSError) and reason.errno and reason.errno > 0:
        return os.strerror(reason.errno)
    if isinstance(reason, OSError) and reason.strerror:  # of a name that is not known
        return reason.strerror
    if isinstance(failure, TimeoutError):
        return "no answer in time"
    return str(reason) or type(failure).__name__
