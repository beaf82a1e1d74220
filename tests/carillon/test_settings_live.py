"""Which settings are taken up by what runs."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from carillon.part import PARTS
from carillon.settings import REFERENCE, Settings, parse
from carillon.settings.live import EFFECTS, SUPERVISOR, Effect, taken_up

ROOT = Path(__file__).parents[2]
HERE = Path("/etc/carillon/carillon.toml")
TLS = 'certificate = "a.pem"\nkey = "a.key"\n'


def settings(text: str = "") -> Settings:
    return parse(text, HERE)


def test_every_setting_is_live_or_needs_a_restart_of_a_part_that_there_is() -> None:
    document = tomllib.loads(REFERENCE.read_text())
    assert {f"{section}.{key}" for section, keys in document.items() for key in keys} == EFFECTS.keys()
    for name, effect in EFFECTS.items():
        assert {*effect.live, *effect.restart} <= {*PARTS, SUPERVISOR}, name
        assert not {*effect.live} & {*effect.restart}, name


def test_a_part_sees_what_it_can_take_up_and_nothing_else() -> None:
    change = taken_up("relay", settings(), settings("[turn]\nudp_port = 5000\nmax_allocations = 7\n"))
    assert (change.live, change.restart) == (("turn.max_allocations",), ("turn.udp_port",))
    assert change.settings == replace(settings(), turn=replace(settings().turn, max_allocations=7))


def test_what_one_part_takes_up_may_need_a_restart_of_another() -> None:
    wanted = settings("[turn]\nudp_port = 5000\n")
    change = taken_up("component", settings(), wanted)
    assert (change.live, change.restart) == (("turn.udp_port",), ())


def test_what_is_none_of_its_business_is_not_said() -> None:
    change = taken_up("bridge", settings(), settings("[turn]\nudp_port = 5000\n[focus]\nmax_sources = 3\n"))
    assert (change.live, change.restart) == ((), ())


def test_what_needs_a_restart_is_said_again_until_there_was_one() -> None:
    wanted = settings('[xmpp]\ndomain = "example.org"\n')
    first = taken_up("front", settings(), wanted)
    assert first.restart == taken_up("front", first.settings, wanted).restart
    assert set(first.restart) == {"xmpp.domain", "xmpp.guest_domain", "xmpp.muc", "focus.domain"}
    assert taken_up("front", first.settings, settings()).restart == ()


def test_what_equals_what_runs_changes_nothing() -> None:
    running = settings("[front]\nport = 81\n")
    change = taken_up("front", running, settings("[front]\nport = 81\n"))
    assert (change.settings, change.live, change.restart) == (running, (), ())


@pytest.mark.parametrize(("part", "section"), [("front", "front"), ("relay", "turn")])
def test_other_files_of_a_certificate_are_live_but_the_first_ones_are_not(part: str, section: str) -> None:
    with_tls = settings(f"[{section}]\n{TLS}")
    other = settings(f"[{section}]\n{TLS.replace('a.', 'b.')}")
    names = {f"{section}.certificate", f"{section}.key"}
    assert set(taken_up(part, with_tls, other).live) == names
    assert names <= set(taken_up(part, settings(), with_tls).restart)
    assert names <= set(taken_up(part, with_tls, settings()).restart)


def test_the_address_of_the_pages_is_live_as_long_as_it_is_as_safe() -> None:
    for url, live in (("http://a.example", True), ("https://a.example", False)):
        change = taken_up("front", settings(), settings(f'[front]\npublic_url = "{url}"\n'))
        assert ("front.public_url" in change.live) is live
        assert ("front.public_url" in change.restart) is not live


def test_the_supervisor_takes_up_its_log_and_the_time_to_drain() -> None:
    wanted = settings('[operation]\ndrain_s = 60\n[log]\nlevel = "debug"\n[focus]\ncontrol = "a.sock"\n')
    change = taken_up(SUPERVISOR, settings(), wanted)
    assert change.live == ("operation.drain_s", "log.level")
    assert change.restart == ("focus.control",)


def test_the_address_of_the_pages_does_not_change_before_the_port_that_it_is_made_of() -> None:
    change = taken_up("front", settings(), settings("[front]\nport = 81\n"))
    assert (change.live, change.restart) == ((), ("front.port", "front.public_url"))


def test_only_what_is_for_other_programs_concerns_no_process() -> None:
    assert [name for name, effect in EFFECTS.items() if effect == Effect()] == ["xmpp.delegation"]


@pytest.mark.parametrize("part", PARTS)
def test_what_a_part_reads_by_its_section_is_its_business(part: str) -> None:
    """Read from the source, where `turn.udp_port` is the setting; `carillon check` is another process."""
    packages = {name: ROOT.joinpath(*what.module.split(".")[:-1]) for name, what in PARTS.items()}
    others = [package for package in packages.values() if packages[part] in package.parents]
    files = [file for file in packages[part].rglob("*.py") if not {*file.parents} & {*others}]
    sources = [file.read_text() for file in files if file.name != "check.py"]
    read = {name for source in sources for name in re.findall(r"(?=\b([a-z0-9]+\.[a-z0-9_]+)\b)", source)}
    named = {name for name, effect in EFFECTS.items() if part in (*effect.live, *effect.restart)}
    assert (read & EFFECTS.keys()) - named == set()
