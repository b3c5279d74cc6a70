"""What one call of a ccxt client hears: the body of its own answer, how long the venue asks to wait, klines as text.

Several threads ask through one client, so nothing of an answer is read from the client itself: each call has an ear of
its own, and ccxt's hooks tell whichever call they run in. ccxt makes a Python object of every number, which costs more
than everything else about a page of bars; its signing, throttling and error table stay in use, and only the reading
of klines is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from tidemill.adapters.ccxt._untyped import Answer

OnPayloads = Callable[[Sequence[tuple[str, bytes]]], None]
"""Who keeps raw answers or messages: some at a time, as (request, body)."""


@dataclass(slots=True, kw_only=True)
class Heard:
    """What came of one call: its last answer's body ("" when there was none), and the seconds of a Retry-After.

    ``as_text``: an answer that is an array of arrays is wanted as its text.
    """

    as_text: bool = False
    body: str = ""
    wait_seconds: float | None = None


_listening: ContextVar[Heard | None] = ContextVar("tidemill_ccxt_heard", default=None)


def who_listens() -> Heard | None:
    """The ear of the call that is being answered."""
    return _listening.get()


async def collect_page(ask: Callable[[], Coroutine[Any, Any, Any]], heard: Heard) -> Answer:
    """What ``ask()`` gives; ``heard`` is told of its answers, and of nobody else's."""
    token = _listening.set(heard)
    try:
        return await ask()
    finally:
        _listening.reset(token)


class KlineText(list[Any]):
    """Stands for an array of arrays that was not parsed; ``text`` is its JSON. ccxt sees an empty list."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
