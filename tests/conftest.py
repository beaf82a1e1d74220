"""What all tests share: the settings of hypothesis, and running deployments."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from hypothesis import HealthCheck, settings

from tests.dev_server import SERVERS, Deployments, DevServer

# A test of a parser draws few examples in `make test`, on machines of any speed, and many in `make fuzz`.
settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile(
    "fuzz", deadline=None, max_examples=100_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

USERS = ("ann", "alice", "bob")
"""Those who have an account; everybody's password is `secret`."""


@pytest.fixture(scope="session")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployments]:
    """`carillon dev` by XMPP server and options; each runs from the first test that wants it to the last."""
    with ExitStack() as running:

        @cache
        def started(server: str, *options: str) -> DevServer:
            directory = tmp_path_factory.mktemp(server) / "dev"
            return running.enter_context(DevServer(directory, "--server", server, *options))

        yield started


@pytest.fixture
def server(request: pytest.FixtureRequest) -> str:
    """The XMPP server of the deployment: Prosody, and where ON_BOTH_SERVERS says so also ejabberd."""
    return str(getattr(request, "param", SERVERS[0]))


@pytest.fixture
def deployment(deployments: Deployments, server: str) -> DevServer:
    """One running `carillon dev` for all tests that only use it; its bridge gives up soon what is silent."""
    users = [word for name in USERS for word in ("--user", f"{name}:secret")]
    return deployments(server, *users, "--set", "bridge.consent_timeout_s=20")
