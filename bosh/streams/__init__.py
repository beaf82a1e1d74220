"""Guests' streams to the XMPP server, kept in a process of their own, so that the front may come and go."""
