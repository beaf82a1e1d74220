"""The recorded stanzas: a test with an argument of one of these names runs once per recording."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

CAPTURES = Path(__file__).parent.parent / "data" / "captures"
PAYLOADS = {
    "recorded_jingle": "{urn:xmpp:jingle:1}jingle",
    "recorded_modify": "{jitsi:colibri2}conference-modify",
    "recorded_modified": "{jitsi:colibri2}conference-modified",
    "recorded_conference": "{http://jitsi.org/protocol/focus}conference",
}

SESSION = PAYLOADS["recorded_jingle"]
"""Of these only the offers and answers, for `recorded_session`."""


def paths_with(tag: str) -> list[Path]:
    return [
        path for path in sorted(CAPTURES.rglob("*.xml")) if ET.parse(path).getroot().find(tag) is not None
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, tag in {**PAYLOADS, "recorded_session": SESSION}.items():
        if name in metafunc.fixturenames:
            paths = paths_with(tag)
            if tag == SESSION:
                paths = [path for path in paths if path.stem.endswith(("session-initiate", "session-accept"))]
            ids = [str(path.relative_to(CAPTURES)) for path in paths]
            metafunc.parametrize(name, paths, ids=ids)


@pytest.fixture(scope="session")
def captures() -> Path:
    return CAPTURES


@pytest.fixture(scope="session")
def corpus() -> dict[str, list[ET.Element]]:
    """One recording of each shape (the same tags and attributes) by kind of payload."""
    found: dict[str, dict[str, ET.Element]] = {name: {} for name in PAYLOADS}
    for name, tag in PAYLOADS.items():
        for path in paths_with(tag):
            node = ET.parse(path).getroot().find(tag)
            assert node is not None
            shape = repr([(child.tag, sorted(child.attrib)) for child in node.iter()])
            found[name].setdefault(shape, node)
    return {name: list(nodes.values()) for name, nodes in found.items()}
