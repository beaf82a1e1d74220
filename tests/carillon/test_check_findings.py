"""Findings: which are told and in which order, how they are printed, and what makes them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.certificate import LIFE, der_of, facts, make_self_signed
from carillon.check import certificates, clock, configuration, process, report
from carillon.check.certificates import Pair, Served, of_facts, of_files, of_served
from carillon.check.command import _EVERYTHING, CHECKS, checks
from carillon.check.finding import Finding, Level, error, ok, told, warning
from carillon.check.process import Answer, Process
from carillon.check.running import Check, carry_out
from carillon.part import PARTS
from carillon.settings import Settings, parse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CAUSE = error("relay", "process", "does not run", "start it")


def settings(text: str = "", directory: Path = Path("/nonexistent")) -> Settings:
    return parse(text, directory / "carillon.toml")


# Telling


def test_the_worst_is_told_first() -> None:
    findings = [ok("relay", "a", "x"), warning("relay", "b", "x", "y"), error("relay", "c", "x", "y")]
    assert [one.subject for one in told(findings, tuple(PARTS))] == ["c", "b", "a"]


def test_errors_come_in_the_order_of_what_explains_most() -> None:
    findings = [
        error(part, "x", "y", "z") for part in ("front", "relay", "component", "dns", "configuration")
    ]
    order = [one.part for one in told(findings, tuple(PARTS))]
    assert order == ["configuration", "dns", "component", "relay", "front"]


def test_what_an_error_explains_is_not_told() -> None:
    effect = error("relay", "TURN", "no answer", "open the port", CAUSE.name)
    assert told([effect, CAUSE], tuple(PARTS)) == [CAUSE]


def test_what_a_warning_might_explain_is_told() -> None:
    effect = error("relay", "TURN", "no answer", "open the port", CAUSE.name)
    assert effect in told([effect, replace(CAUSE, level=Level.WARNING)], tuple(PARTS))


def test_what_is_well_is_told_whatever_is_wrong() -> None:
    assert len(told([CAUSE, ok("relay", "TURN", "works")], tuple(PARTS))) == 2


def test_the_first_line_of_the_text_is_the_first_finding() -> None:
    lines = report.text([CAUSE, ok("relay", "TURN", "works")]).splitlines()
    assert lines[0] == "error    relay: process: does not run"
    assert lines[1] == "         → start it"
    assert lines[-1] == "1 error, 1 ok"


def test_a_name_of_a_server_cannot_forge_a_line() -> None:
    assert len(report.text([ok("relay", "x", "a\nerror: b")]).splitlines()) == 3


def test_json_says_the_same() -> None:
    told_as_json = json.loads(report.json_text([CAUSE]))
    assert told_as_json == {
        "status": "error",
        "findings": [
            {
                "part": "relay",
                "subject": "process",
                "level": "error",
                "what": "does not run",
                "todo": "start it",
            }
        ],
    }


def test_nothing_found_is_well() -> None:
    assert report.worst([]) is Level.OK


# Running


def checked(*looks: Iterable[Finding] | Exception | None, within_s: float = 5.0) -> list[Finding]:
    """Carry out checks that give findings, fail, or (None) never end."""

    def check(number: int, look: Iterable[Finding] | Exception | None) -> Check:
        async def run() -> Iterable[Finding]:
            if look is None:
                await asyncio.Event().wait()
            if isinstance(look, Exception):
                raise look
            return look or ()

        return Check("relay", f"check {number}", run)

    every = [check(number, look) for number, look in enumerate(looks)]
    return asyncio.run(carry_out(every, lambda _: None, within_s))


def test_a_check_that_hangs_is_an_error_and_hides_nothing() -> None:
    found = checked(None, [CAUSE], within_s=0.01)
    assert [one.subject for one in found] == ["check 0", "process"]
    assert "has not ended" in found[0].what


def test_a_check_that_fails_is_an_error_and_hides_nothing() -> None:
    found = checked(RuntimeError("oh"), [CAUSE])
    assert "has failed: RuntimeError: oh" in found[0].what
    assert found[1] == CAUSE


def test_progress_names_what_still_runs() -> None:
    seen: list[list[str]] = []

    async def none() -> Iterable[Finding]:
        return ()

    def progress(running: Sequence[Check]) -> None:
        seen.append([check.name for check in running])

    asyncio.run(carry_out([Check("relay", "a", none), Check("relay", "b", none)], progress))
    assert seen[0] == ["a", "b"]
    assert seen[-1] == []


def test_every_part_has_checks() -> None:
    assert set(CHECKS) == set(PARTS)
    names = {check.part for check in checks(settings(), _EVERYTHING)}
    assert names == set(_EVERYTHING)


@pytest.mark.parametrize("part", PARTS)
def test_one_part_is_checked_with_what_it_reads(part: str) -> None:
    names = {check.part for check in checks(settings(), (part,))}
    assert names == {part, "configuration", "certificates"}


# Processes


@pytest.mark.parametrize(
    ("answer", "level", "what"),
    [
        (Answer.HEALTHY, Level.OK, "runs"),
        (Answer.TROUBLE, Level.ERROR, "it says: no mover"),
        (Answer.SILENT, Level.ERROR, "does not answer on its control socket /run/relay.sock"),
        (Answer.ABSENT, Level.ERROR, "does not run: nothing listens on its control socket /run/relay.sock"),
        (Answer.FORBIDDEN, Level.WARNING, "this user may not ask"),
        (Answer.UNKNOWN, Level.OK, "no control socket"),
    ],
)
def test_each_answer_of_a_process_has_its_words(answer: Answer, level: Level, what: str) -> None:
    found = process.verdict(Process("relay", "/run/relay.sock", answer, "no mover"), ())
    assert found.level is level
    assert what in found.what


def test_a_part_that_works_elsewhere_is_no_error() -> None:
    seen = Process("relay", "/run/relay.sock", Answer.ABSENT)
    assert process.verdict(seen, [ok("relay", "TURN", "works")]).level is Level.OK


async def test_a_socket_that_nobody_listens_on_is_seen(tmp_path: Path) -> None:
    configuration_ = settings("[turn]\ncontrol = 'relay.sock'\n", tmp_path)
    assert (await process.look("relay", configuration_)).answer is Answer.ABSENT
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "relay.sock"))
    assert (await process.look("relay", configuration_)).answer is Answer.ABSENT


# Configuration


def test_a_secret_that_everybody_may_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name, mode in (("component", 0o600), ("turn", 0o644)):
        (tmp_path / "secrets" / name).write_text("x")
        (tmp_path / "secrets" / name).chmod(mode)
    found = list(configuration.findings(settings("", tmp_path), ("relay",)))
    assert [one.subject for one in found] == ["turn.secret_file"]
    assert "open to everybody" in found[0].what


def test_only_the_files_of_the_parts_asked_for_are_looked_at(tmp_path: Path) -> None:
    found = list(configuration.findings(settings("", tmp_path), ("front",)))
    assert {one.level for one in found} == {Level.OK}


def test_the_pin_file_is_looked_at_when_there_is_one(tmp_path: Path) -> None:
    with_pin = settings("[calls]\nrooms = 'pin'\npin_file = 'pin'\n", tmp_path)
    subjects = [one.subject for one in configuration.findings(with_pin, ("component",))]
    assert subjects == ["xmpp.secret_file", "turn.secret_file", "calls.pin_file"]


# Clock


@pytest.mark.parametrize(
    ("ahead_s", "level", "what"),
    [
        (0.0, Level.OK, "agrees"),
        (9.0, Level.OK, "agrees"),
        (-30.0, Level.WARNING, "is 30 s behind this machine's"),
        (600.0, Level.ERROR, "is 10 min ahead of this machine's"),
        (-7200.0, Level.ERROR, "is 2 h behind this machine's"),
    ],
)
def test_how_far_clocks_are_apart_decides(ahead_s: float, level: Level, what: str) -> None:
    found = clock.verdict(1e9 + ahead_s, 1e9)
    assert found.level is level
    assert what in found.what


def test_a_server_that_tells_no_time_is_no_error() -> None:
    assert clock.verdict(None, 0.0).level is Level.OK


@pytest.mark.parametrize(
    "utc", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z", " 2026-01-01T01:00:00+01:00"]
)
def test_utc_is_read(utc: str) -> None:
    assert clock.unix_time(utc) == pytest.approx(1767225600.0, abs=0.001)


@given(st.text(max_size=40) | st.datetimes().map(lambda moment: moment.isoformat() + "-23:59"))
def test_any_utc_is_a_time_or_none(text: str) -> None:
    assert clock.unix_time(text) is None or isinstance(clock.unix_time(text), float)


# Certificates


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A certificate of meet.example.org that began a day before NOW."""
    directory = tmp_path_factory.mktemp("certificates")
    made = Pair(("front",), directory / "a.pem", directory / "a.key")
    make_self_signed(made.certificate, made.key, ("meet.example.org", "*.wild.example.org"), NOW)
    return made


@pytest.mark.parametrize(
    ("at", "level", "what"),
    [
        (NOW, Level.OK, "is good until 2027-01-01"),
        (NOW + LIFE - timedelta(days=3), Level.WARNING, "expires on 2027-01-01, in 3 days"),
        (NOW + LIFE + timedelta(hours=1), Level.ERROR, "has expired on 2027-01-01"),
    ],
)
def test_how_long_a_certificate_is_good_decides(pair: Pair, at: datetime, level: Level, what: str) -> None:
    found = of_files(pair, at)
    assert found.level is level
    assert what in found.what


def test_a_key_of_another_certificate_is_named(pair: Pair, tmp_path: Path) -> None:
    make_self_signed(tmp_path / "b.pem", tmp_path / "b.key", ("b.example.org",), NOW)
    found = of_files(replace(pair, key=tmp_path / "b.key"), NOW)
    assert found.level is Level.ERROR
    assert "cannot be used" in found.what


def test_a_file_that_is_missing_is_named(pair: Pair) -> None:
    found = of_files(replace(pair, certificate=Path("/nonexistent/a.pem")), NOW)
    assert "/nonexistent/a.pem cannot be read" in found.what


@pytest.mark.parametrize(
    ("untrusted", "name", "level", "what"),
    [
        (None, "meet.example.org", Level.OK, "trusts"),
        (None, "a.wild.example.org", Level.OK, "trusts"),
        (None, "a.b.wild.example.org", Level.ERROR, "not for a.b.wild.example.org"),
        (
            62,
            "other.example.org",
            Level.ERROR,
            "for meet.example.org, *.wild.example.org, not for other.example.org",
        ),
        (18, "meet.example.org", Level.WARNING, "self-signed"),
        (20, "meet.example.org", Level.ERROR, "leads to no authority that is known here"),
        (19, "meet.example.org", Level.WARNING, "does not know the authority"),
        (23, "meet.example.org", Level.ERROR, "is refused: revoked"),
    ],
)
def test_what_is_shown_is_judged(
    pair: Pair, untrusted: int | None, name: str, level: Level, what: str
) -> None:
    der = der_of(pair.certificate)
    found = of_served("front", name, Served(der, untrusted, "revoked"), None, NOW)
    assert found.level is level
    assert what in found.what


def test_a_listener_that_has_not_read_its_files_again_is_named(pair: Pair) -> None:
    der = der_of(pair.certificate)
    found = of_served("relay", "meet.example.org", Served(der, None), b"another", NOW)
    assert "the relay shows another certificate than its file holds" in found.what
    assert "kill -HUP" in found.todo


def test_an_expired_certificate_that_a_proxy_shows_is_named(pair: Pair) -> None:
    late = NOW + LIFE + timedelta(days=1)
    found = of_served("front", "meet.example.org", Served(der_of(pair.certificate), 10), None, late)
    assert found.what == "the certificate shown for meet.example.org has expired on 2027-01-01"


def test_front_and_relay_with_one_file_get_one_finding() -> None:
    both = settings("[front]\ncertificate = 'a.pem'\nkey = 'a.key'\n")
    assert [one.subject for one in certificates.findings(both, ("turn",), NOW)] == ["front.certificate"]
    assert certificates.name_of_pair(both, "turn") == "certificates: front.certificate"


def test_facts_of_a_file_are_those_that_are_shown(pair: Pair) -> None:
    found = facts(pair.certificate)
    assert of_facts("x", "y", found, NOW).level is Level.OK
