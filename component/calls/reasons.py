"""Why calls end or do not begin, in the conditions of XEP-0166 §7.4 and in words for the caller."""

from __future__ import annotations

from typing import Final

from jingle.content import Reason

# Who may call

STRANGER: Final = Reason("decline", "Only people of this server and its guests can call here.")
CLOSED: Final = Reason("decline", "The rooms of this server take no calls.")
BUSY: Final = Reason("busy", "Too many calls at the moment. Please try again later.")
TOO_MANY: Final = Reason("busy", "You have as many calls here as one may have at a time.")
TOO_FAST: Final = Reason("busy", "Too many calls in a short time. Please wait a moment.")
NO_PIN: Final = Reason("decline", "No PIN was given.")
WRONG_PIN: Final = Reason("decline", "Too many wrong PINs. Please wait a minute, then call again.")

# What can be carried

NOT_ENCRYPTED: Final = Reason(
    "security-error",
    "This call would not be encrypted with DTLS-SRTP (XEP-0320), and other calls are not taken here."
    " Please use a client that supports it.",
)
SDES_ONLY: Final = Reason(
    "security-error",
    "This call would be encrypted with keys that all servers on the way can read (SDES), and such calls are"
    " not taken here. Please use a client that supports DTLS-SRTP (XEP-0320).",
)
NO_CONTENTS: Final = Reason("failed-application", "The call has no contents.")
ONLY_CALLS: Final = Reason("unsupported-applications", "Only audio and video can be called with.")
NOT_CARRIED: Final = Reason(
    "unsupported-applications", "One stream of audio and one of video can be carried."
)
NOT_ADDED: Final = Reason(
    "unsupported-applications", "This cannot be added to the call. Please call again with audio and video."
)
NO_ICE: Final = Reason("unsupported-transports", "Only ICE over UDP (XEP-0176) can be used.")
OUTSIDE: Final = Reason("unsupported-transports", "What is added must use the transport of the bundle.")
NO_CREDENTIALS: Final = Reason("failed-transport", "The transport has no credentials of ICE.")
NO_RESTART: Final = Reason("failed-transport", "ICE could not be restarted. Please call again.")
NO_RTCP_MUX: Final = Reason("failed-application", "RTP and RTCP must share a port (rtcp-mux).")
NO_OPUS: Final = Reason("failed-application", "No audio codec in common: this is Opus.")
NO_VP8: Final = Reason("failed-application", "No video codec in common: this is VP8.")
ACCEPT_REFUSED: Final = Reason("failed-application", "The session-accept was refused.")

# Where it leads

LATE: Final = Reason("timeout", "The room or the media bridge did not answer in time.")
UNREACHABLE: Final = Reason(
    "general-error", "The media bridge does not answer. Please call again in a moment."
)
BRIDGE_FULL: Final = Reason("busy", "The media bridge is full. Please call again later.")
GONE: Final = Reason("connectivity-error", "Nothing was heard of this call any more.")
INTERRUPTED: Final = Reason("general-error", "The media bridge was lost. Please call again.")
NOT_READY: Final = Reason(
    "general-error", "The room cannot be entered at the moment. Please call again later."
)
ROOM_FULL: Final = Reason("busy", "The room is full.")
NOT_LET_IN: Final = Reason("decline", "The room does not let you in.")
MEMBERS_ONLY: Final = Reason("decline", "The room is for its members only.")
PASSWORD: Final = Reason("decline", "The room has a password, which cannot be given in a call.")
BANNED: Final = Reason("decline", "You are banned from the room.")
REMOVED: Final = Reason("decline", "You were removed from the room.")
ROOM_CLOSED: Final = Reason("gone", "The room was closed.")
NOTHING_LEFT: Final = Reason("success", "The call has no contents any more.")
STOPPING: Final = Reason("gone", "The server is being restarted. Please call again in a moment.")
LINK_LOST: Final = Reason("gone", "The connection to the XMPP server was lost.")
