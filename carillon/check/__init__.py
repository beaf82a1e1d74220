"""`carillon check`: says in words what is wrong with a deployment and what to do.

Every check has two halves: one that looks (sockets, files, stanzas) and gives what it saw as data, and one
without I/O that makes findings of that. What concerns one part stands in `PART/check.py`, loaded by name.
"""
