"""An asyncio loop without a thread of its own: whoever waits for an answer drives it, for itself and for the others.

Handing an order to another thread and its answer back costs two wakings of a sleeping thread, about a fifth of what
the venue itself takes over loopback. Here the thread that sends also reads; when several send at once, one of them
drives the loop until it has its own answer, then the next one does.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")
LAST_SECONDS = 5.0


class _Call(Generic[T]):
    """One caller's work, and whether it has ended."""

    __slots__ = ("done", "task", "work")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.work = work
        self.task: asyncio.Task[T] | None = None
        self.done = False

    def result(self) -> T:
        """What came of it; TimeoutError while it has not ended."""
        if self.task is None or not self.done:
            raise TimeoutError
        if self.task.cancelled():
            raise CancelledError
        return self.task.result()


class SharedLoop:
    """Runs coroutines for synchronous callers, several at once; between two calls the loop stands still."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._changed = threading.Condition()
        self._driven = False
        self._driven_for: _Call[Any] | None = None

    def run(self, work: Coroutine[Any, Any, T], timeout_seconds: float) -> T:
        """The coroutine's result; TimeoutError when it takes longer (then it goes on with the next call)."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._run(work, timeout_seconds)
        # a thread can drive one loop only, and this one is inside another
        with ThreadPoolExecutor(1) as other:
            return other.submit(self._run, work, timeout_seconds).result()

    def close(self) -> None:
        """End what is left and close the loop; nothing can run on it any more."""
        self.run(_end_all(), LAST_SECONDS)
        with self._changed:
            self._changed.wait_for(lambda: not self._driven, LAST_SECONDS)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T], timeout_seconds: float) -> T:
        end = time.monotonic() + timeout_seconds
        call = _Call(work)
        drives = self._takes_free_turn()
        # another thread's loop must be woken; one's own need not, and a call is cheaper
        add = self._loop.call_soon if drives else self._loop.call_soon_threadsafe
        # Not a task at once: the loop first looks at its sockets, and so sees what the venue closed in the meantime.
        add(self._begin, call)
        while drives or self._takes_turn(call, end):
            drives = False
            try:
                self._drive(call, end)
            finally:
                self._give_turn()
        return call.result()

    def _begin(self, call: _Call[Any]) -> None:
        call.task = self._loop.create_task(call.work)
        call.task.add_done_callback(partial(self._end, call))

    def _end(self, call: _Call[Any], task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # looked at, so that the loop does not complain of one whose caller has gone
        call.done = True
        if self._driven_for is call:
            self._loop.stop()
        else:
            with self._changed:
                self._changed.notify_all()

    def _takes_free_turn(self) -> bool:
        with self._changed:
            free = not self._driven
            self._driven = True
            return free

    def _takes_turn(self, call: _Call[Any], end: float) -> bool:
        """Wait for the answer, or for the loop to drive; False when there is nothing left to wait for."""
        with self._changed:
            while not call.done and (left := end - time.monotonic()) > 0:
                if not self._driven:
                    self._driven = True
                    return True
                self._changed.wait(left)
            return False

    def _drive(self, call: _Call[Any], end: float) -> None:
        limit = self._loop.call_later(end - time.monotonic(), self._loop.stop)
        self._driven_for = call
        try:
            self._loop.run_forever()
        finally:
            self._driven_for = None
            limit.cancel()

    def _give_turn(self) -> None:
        with self._changed:
            self._driven = False
            self._changed.notify_all()


async def _end_all() -> None:
    """Cancel every other task of this loop and wait for its end."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0)  # sockets that were closed say so one turn later
