"""`carillon link`: holds the connections to the XMPP server for a component that may die or be replaced.

Towards the server it is the component of each host (XEP-0114); towards the component, on a UNIX socket, it is
the server. It passes on bytes: no stanza becomes a tree.
"""
