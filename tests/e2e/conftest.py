"""What the browser tests share: one deployment, one Chromium, one Firefox, the pages of foreign libraries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.dev_server import DevServer
from tests.e2e.firefox import Firefox
from tests.e2e.firefox import firefox as started_firefox
from tests.e2e.harness import Meeting, chromium, library_pages


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def only_firefox() -> AsyncIterator[Firefox]:
    async with started_firefox() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def firefox(only_firefox: Firefox) -> AsyncIterator[Firefox]:
    yield only_firefox
    await only_firefox.close_tabs()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def library() -> AsyncIterator[str]:
    async with library_pages() as address:
        yield address


@pytest_asyncio.fixture(loop_scope="session")
async def meeting(deployment: DevServer, browser: Browser, library: str) -> AsyncIterator[Meeting]:
    before = list(browser.contexts)
    yield Meeting(browser, deployment.endpoints, library)
    # The tabs of a test that failed would stay in their meeting and slow all that comes after.
    for context in browser.contexts:
        if context not in before:
            await context.close()


@pytest.fixture(scope="session")
def ejabberd_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """A deployment on an ejabberd."""
    with DevServer(tmp_path_factory.mktemp("ejabberd") / "dev", "--server", "ejabberd") as server:
        yield server


@pytest.fixture
def meeting_on_ejabberd(ejabberd_deployment: DevServer, browser: Browser, library: str) -> Meeting:
    return Meeting(browser, ejabberd_deployment.endpoints, library)


@pytest.fixture(scope="session")
def small_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """A deployment whose rooms hold two."""
    directory = tmp_path_factory.mktemp("small") / "dev"
    with DevServer(directory, "--set", "focus.max_participants=2") as server:
        yield server


@pytest.fixture
def full_room(small_deployment: DevServer, browser: Browser, library: str) -> Meeting:
    return Meeting(browser, small_deployment.endpoints, library)
