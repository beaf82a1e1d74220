"""What all tests share: the settings of hypothesis, and one running deployment."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.dev_server import DevServer

# A test of a parser draws few examples in `make test`, on machines of any speed, and many in `make fuzz`.
settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile(
    "fuzz", deadline=None, max_examples=100_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """One running `carillon dev` for all tests that only use it."""
    with DevServer(tmp_path_factory.mktemp("deployment") / "dev") as server:
        yield server
