"""Jingle as data and as a state machine (XEP-0166 and its family). No I/O."""
