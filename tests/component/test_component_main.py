"""The part `component` as the command line sees it, without a server."""

from pathlib import Path

import pytest

from carillon.settings import SettingsError
from component.link import Loss, LossKind
from component.main import Component, make
from tests.component.prosody import SECRET, settings_in


@pytest.mark.parametrize("name", ["component", "turn"])
def test_without_a_secret_there_is_no_component(tmp_path: Path, name: str) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "secrets" / name).unlink()
    with pytest.raises(SettingsError, match=name):
        make(settings)


def test_every_reason_to_be_down_has_words_of_its_own(tmp_path: Path) -> None:
    component = Component(settings_in(tmp_path))
    words = {component.trouble()}
    for kind in LossKind:
        component._link._loss = Loss(kind, f"detail of {kind}")
        words.add(component.trouble())
    assert None not in words
    assert len(words) == len(LossKind) + 1
    assert SECRET not in str(words)


async def test_it_stops_as_often_as_it_is_told(tmp_path: Path) -> None:
    component = make(settings_in(tmp_path))
    await component.start()
    await component.stop()
    await component.stop()


def test_meetings_are_looked_after_over_the_control_api(tmp_path: Path) -> None:
    assert "/rooms" in {route.path for route in make(settings_in(tmp_path)).routes()}
