"""Calls of ordinary XMPP clients (XEP-0166, 0167, 0176, 0320, 0353) to the echo test and to rooms."""
