"""ejabberd: what one that runs needs for carillon, and the private one of `carillon dev`."""

from __future__ import annotations

import re
from pathlib import Path

from carillon.files import write_private
from carillon.program import Program
from carillon.settings import Settings
from carillon.settings.rules import is_address
from carillon.template import filled_in
from carillon.xmpp_server import XmppServerError, program_path, quotable, trouble, values_of

CONFIGURATION = "ejabberd.yml"

SNIPPET = "carillon.yml"
"""The file beside the configuration, which includes it."""

_LIBRARIES = re.compile(r"^ERL_LIBS='?([^'\n]+?)'?$", re.MULTILINE)
"""Where ejabberd lies, as the script ejabberdctl says it. The script itself runs ejabberd only as the user of
that name, and leaves Erlang's port mapper behind."""

_QUIET = ("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none")
"""Idle schedulers sleep at once, where they would turn for a while, at the cost of all others here."""

_HAVE_ACCOUNTS = """
File = os:getenv("CARILLON_ACCOUNTS"),
case file:consult(File) of
  {ok, Accounts} ->
    [case ejabberd_auth:try_register(Name, Host, Password) of
       ok -> ok;
       {error, exists} -> ok = ejabberd_auth:set_password(Name, Host, Password)
     end || {Name, Host, Password} <- Accounts],
    ok = file:delete(File);
  {error, enoent} -> ok
end.
"""
"""Erlang, run when ejabberd has started. Passwords reach it in a file, which it removes: everybody can see a
command line."""


def snippet(settings: Settings) -> str:
    """What an ejabberd that runs needs for carillon, with secrets. Raises SettingsError, XmppServerError."""
    if not is_address(settings.xmpp.server):
        raise XmppServerError("xmpp.server must be an IP address: ejabberd is told on which one to listen")
    return filled_in("snippet.ejabberd.yml", values_of(settings))


class Ejabberd:
    """An ejabberd that keeps all it has in `directory`, for the XMPP hosts and ports of `settings`."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._directory = directory
        self._settings = settings
        self._config = directory / CONFIGURATION
        self._accounts = directory / "accounts.term"
        self._log = directory / "ejabberd.log"
        self._output = directory / "ejabberd.out"

    def configure(self) -> None:
        """Write the configuration, and begin new logs. Raises XmppServerError or SettingsError."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        included = self._directory / SNIPPET
        write_private(included, snippet(self._settings))
        values = {**values_of(self._settings), "snippet": quotable(str(included))}
        write_private(self._config, filled_in(CONFIGURATION, values))
        write_private(self._accounts, "")
        for old in (self._log, self._output):
            old.unlink(missing_ok=True)

    def put_account(self, name: str, password: str) -> None:
        """Have the account `name`, or give it this password, when ejabberd starts."""
        fields = (name, self._settings.xmpp.domain, password)
        term = ", ".join(f"<<{','.join(map(str, text.encode()))}>>" for text in fields)
        write_private(self._accounts, f"{self._accounts.read_text(encoding='ascii')}{{{term}}}.\n")

    def program(self) -> Program:
        """What the supervisor runs. Raises XmppServerError when ejabberd is not installed."""
        erl, script = program_path("erl"), program_path("ejabberdctl")
        libraries = (
            _LIBRARIES.search(script.read_text(encoding="utf-8", errors="replace")) if script else None
        )
        if erl is None or libraries is None:
            raise XmppServerError(
                "ejabberd is not installed: install Debian's package ejabberd, or run make test-setup"
            )
        environment = {
            "ERL_LIBS": libraries[1],
            "ERL_CRASH_DUMP_BYTES": "0",
            "EJABBERD_CONFIG_PATH": str(self._config),
            "EJABBERD_LOG_PATH": str(self._log),
            "CARILLON_ACCOUNTS": str(self._accounts),
        }
        database = f'"{quotable(str(self._directory / "database"))}"'
        start = ("-mnesia", "dir", database, "-s", "ejabberd", "-eval", _HAVE_ACCOUNTS)
        argv = (str(erl), "-noinput", *_QUIET, *start)
        return Program("xmpp", argv, self._trouble, output=self._output, environment=environment)

    async def _trouble(self) -> str | None:
        if why := await trouble("ejabberd", self._settings.xmpp, self._log):
            return why
        if self._accounts.exists():
            return f"ejabberd has not made the accounts; see {self._log}"
        return None
