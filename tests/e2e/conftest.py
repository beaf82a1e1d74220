"""What the browser tests share: one Chromium, one Firefox, the pages of foreign libraries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.dev_server import Deployments, DevServer
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


@pytest.fixture
def full_room(deployments: Deployments, server: str, browser: Browser, library: str) -> Meeting:
    """Meetings in a deployment whose rooms hold two."""
    small = deployments(server, "--set", "focus.max_participants=2")
    return Meeting(browser, small.endpoints, library)
