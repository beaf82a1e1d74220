"""Why a file or a port cannot be opened: in words, with what to do."""

from __future__ import annotations

import errno
import os
import pwd


def reason(error: OSError) -> str:
    """Why a file cannot be opened; where it is a matter of permission, whose, and what to do."""
    words = error.strerror or type(error).__name__
    if not isinstance(error, PermissionError):
        return words
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a user without a name, as in a container
        user = str(os.geteuid())
    return f"{words} for user {user}: let that user read it, or run this as root"


def port_reason(error: OSError, address: str, section: str) -> str | None:
    """Why the part of this section cannot listen, where it is for want of the address; else None.

    Behind NAT people write down their public address first.
    """
    if error.errno != errno.EADDRNOTAVAIL:
        return None
    return (
        f"this machine has no address {address}: set {section}.address to one that it has,"
        f" and {section}.advertise to what clients are told"
    )
