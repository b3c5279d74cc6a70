"""The loop thread of a client: each caller gets its own answer, and closed sockets are noticed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import pytest

from tidemill.adapters.ccxt.exchange import LoopThread

Run = Callable[[Coroutine[Any, Any, int]], int]


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("test")
    yield thread
    thread.close()


async def give(value: int, seconds: float = 0.0) -> int:
    await asyncio.sleep(seconds)
    return value


def test_many_threads_get_their_own_answers(loop: LoopThread) -> None:
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda number: loop.run(give(number, 0.001 * (number % 7)), 10), range(200)))

    assert answers == list(range(200))


def test_a_caller_does_not_wait_for_the_work_of_another(loop: LoopThread) -> None:
    begun, released = threading.Event(), threading.Event()

    async def slow() -> int:
        begun.set()
        await asyncio.to_thread(released.wait)
        return 1

    with ThreadPoolExecutor(1) as other:
        first = other.submit(loop.run, slow(), 30)
        assert begun.wait(10)
        assert loop.run(give(2), 10) == 2
        assert not first.done()
        released.set()
        assert first.result() == 1


def test_work_that_takes_too_long_is_given_up_by_its_caller_alone(loop: LoopThread) -> None:
    ended: list[int] = []

    async def late() -> int:
        ended.append(await give(1, 0.05))
        return 1

    with pytest.raises(TimeoutError):
        loop.run(late(), 0.01)
    assert loop.run(give(2, 0.1), 10) == 2
    assert ended == [1], "it goes on without its caller"


def test_an_error_reaches_its_caller_and_the_loop_goes_on(loop: LoopThread) -> None:
    async def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        loop.run(fail(), 10)
    assert loop.run(give(3), 10) == 3


def test_a_caller_inside_another_loop_is_served_too(loop: LoopThread) -> None:
    async def outside() -> int:
        return loop.run(give(4), 10)

    assert asyncio.run(outside()) == 4


def test_closing_ends_what_was_given_up() -> None:
    loop, ended = LoopThread("test"), list[bool]()

    async def endless() -> int:
        try:
            return await give(1, 3600)
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        loop.run(endless(), 0.01)
    loop.close()
    assert ended == [True]


def answer_once(address: list[int], stop: threading.Event) -> None:
    """A server that answers one POST on each connection and then closes it, as venues do with idle ones."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n7")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        address.append(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(stop.wait)
        server.close()

    asyncio.run(serve())


@pytest.fixture
def url() -> Iterator[str]:
    address: list[int] = []
    stop = threading.Event()
    thread = threading.Thread(target=answer_once, args=(address, stop))
    thread.start()
    while not address:
        time.sleep(0.005)
    yield f"http://127.0.0.1:{address[0]}/"
    stop.set()
    thread.join()


def post_twice(run: Run, url: str) -> list[int]:
    """Two POSTs, with time between them for the server to close the connection."""
    sessions: list[aiohttp.ClientSession] = []

    async def post() -> int:
        if not sessions:
            sessions.append(aiohttp.ClientSession())
        async with sessions[0].post(url) as answer:
            return int(await answer.text())

    async def close() -> int:
        await sessions[0].close()
        return 0

    try:
        first = run(post())
        time.sleep(0.1)
        return [first, run(post())]
    finally:
        run(close())


def test_a_connection_that_the_venue_closed_between_two_requests_is_not_used(loop: LoopThread, url: str) -> None:
    assert post_twice(lambda work: loop.run(work, 10), url) == [7, 7]


def test_control_a_loop_that_only_resumes_uses_the_closed_connection(url: str) -> None:
    loop = asyncio.new_event_loop()
    with pytest.raises(aiohttp.ClientConnectionError):
        post_twice(loop.run_until_complete, url)
    loop.close()
