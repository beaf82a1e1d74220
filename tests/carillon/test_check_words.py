"""Why a connection failed, in words that an operator knows."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest

from carillon.check.words import why
from tests.ports import free_port


async def test_a_refused_connection_is_called_that() -> None:
    with pytest.raises(OSError) as failure:
        await asyncio.open_connection("127.0.0.1", free_port())
    assert why(failure.value) == "Connection refused"


async def test_a_refused_request_is_called_that() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError) as failure:
            await session.get(f"http://127.0.0.1:{free_port()}/")
    assert why(failure.value) == "Connection refused"


async def test_a_port_without_tls_is_called_that() -> None:
    async with asyncio.timeout(5):
        port = free_port()
        server = await asyncio.start_server(
            lambda _, writer: writer.write(b"HTTP/1.1 400\r\n"), "127.0.0.1", port
        )
        with pytest.raises(OSError) as failure:
            await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
        server.close()
    assert why(failure.value) == "no TLS (WRONG_VERSION_NUMBER)"


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(None, "no such name"), "no such name"),
        (TimeoutError(), "no answer in time"),
        (ValueError("odd"), "odd"),
        (KeyError(), "KeyError"),
    ],
)
def test_what_has_no_number_says_what_it_says(failure: Exception, words: str) -> None:
    assert why(failure) == words
