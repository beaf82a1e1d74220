"""A BOSH session for tests: with a clock, a recorded surrounding and short words."""

from __future__ import annotations

from bosh.bosh_body import Body, parse_body
from bosh.bosh_session import BoshSession, State
from bosh.session_terms import negotiate
from tests.bosh.bosh_client import body, condition
from tests.bosh.test_request_window import Answered
from tests.bosh.test_xmpp_stream import HEADER, IQ, LIMITS, SUCCESS

DOMAINS = frozenset(("d.example", "guest.d.example"))
WAIT_S, INACTIVITY_S = 55.0, 60.0
FEATURES = b"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
MESSAGE = "<message xmlns='jabber:client'/>"
PING = IQ.decode()


class Bench:
    """A session with a clock, a recorded surrounding and short words."""

    def __init__(self, **attributes: object) -> None:
        self.now = 1000.0
        self.done: list[tuple[str, object]] = []
        self.rid = 10
        terms = negotiate(self.read(to="d.example", **attributes), WAIT_S, INACTIVITY_S)
        self.session = BoshSession(self, "sid", terms, DOMAINS, LIMITS, now=self.now)
        self.creation = Answered()
        self.session.create(self.read(to="d.example", **attributes), self.creation, self.now)

    def read(self, content: str = "", /, **attributes: object) -> Body:
        return parse_body(body(content, **{"rid": self.rid, **attributes}).encode(), LIMITS)

    def post(self, content: str = "", /, **attributes: object) -> Answered:
        """The next request, or the one of `rid`."""
        if "rid" not in attributes:
            self.rid += 1
        exchange = Answered()
        self.session.request(self.read(content, **attributes), exchange, self.now)
        return exchange

    def serve(self, data: bytes | str) -> None:
        """Bytes of the server."""
        self.session.receive(data if isinstance(data, bytes) else data.encode(), self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass, with what is due in it."""
        until = self.now + seconds
        while self.session.state is not State.GONE and self.session.deadline() <= until:
            self.now = max(self.now, self.session.deadline())
            self.session.tick(self.now)
        self.now = until

    @property
    def gone(self) -> bool:
        return self.session.state is State.GONE

    def upstream(self) -> str:
        """What the server got since the last time."""
        sent = "".join(str(what) for kind, what in self.done if kind == "upstream")
        self.done.clear()
        return sent

    # SessionOutput

    def connect(self, domain: str) -> None:
        self.done.append(("connect", domain))

    def send_upstream(self, data: bytes) -> None:
        self.done.append(("upstream", data.decode()))

    def close_upstream(self) -> None:
        self.done.append(("close", ""))

    def read_upstream(self, wanted: bool) -> None:
        self.done.append(("read", wanted))

    def refused(self, condition: str, text: str) -> None:
        self.done.append(("refused", condition))

    def over(self) -> None:
        self.done.append(("over", ""))


def text(exchange: Answered) -> str:
    """The response, which is there."""
    assert exchange.body is not None
    return exchange.body.decode()


def ended(exchange: Answered) -> str | None:
    """The condition of the response, which is there."""
    return condition(text(exchange))


def ended_or_none(exchange: Answered) -> str | None:
    return None if exchange.body is None else ended(exchange)


def opened(**attributes: object) -> Bench:
    bench = Bench(**attributes)
    bench.session.connected(bench.now)
    bench.serve(HEADER + FEATURES)
    bench.upstream()
    return bench


def logged_in(**attributes: object) -> Bench:
    bench = opened(**attributes)
    bench.post("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
    bench.serve(SUCCESS)
    restarted = bench.post(to="d.example", xmpp_restart="true")
    bench.serve(HEADER + FEATURES)
    bench.upstream()
    bench.wait(30)
    while "features" not in text(restarted):  # a session that polls
        restarted = bench.post()
        bench.wait(5)
    return bench
