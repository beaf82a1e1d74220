"""No server outlives the tests that started it, even if their process is killed, as pytest-xdist may do.

subprocess.Popen([*LEASH, "prosody", "-F"])
"""

LEASH = ("setpriv", "--pdeathsig", "TERM")
"""Begins a command line: the kernel sends SIGTERM when the thread that started the command is gone."""
