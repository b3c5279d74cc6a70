"""A venue on live prices follows its source: whatever waits for the network does so on a thread, never on the loop.

The loop serves every request and every stream: one call that waits for a foreign network would hold all of them up, and
sockets would miss their pings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tidemill.venue.state import VenueState

Answer = TypeVar("Answer")


class Follower:
    """Fetches what the state then takes; on a recording there is nothing to fetch, and nothing waits.

    Blocking calls are run on a worker thread; the state itself is changed on the loop only.
    """

    def __init__(self, state: VenueState) -> None:
        self._state = state
        self._is_live = state.prices.is_live

    async def before_order(self, symbol: str | None) -> None:
        """Let the symbol trade on the source's present book.

        ``symbol`` as the client sent it; one that is missing or unknown is left to the checks of the request. Without a
        book the order meets bars.
        """
        instrument = self._state.symbols.get(symbol or "")
        if self._is_live and instrument is not None:
            await self._follow_book(instrument.id)

    async def tick(self) -> None:
        """Take what has closed, and the books on which orders rest; then match.

        Called every second where the clock is real. A source without a book puts the instrument back on bars.
        """
        state = self._state
        if self._is_live:
            state.take_bars(await asyncio.to_thread(state.prices.fetch_bars, state.now))
            # Sorted: the journal, and so a second life of the venue, must not depend on the order of a set.
            for name in sorted(state.resting):
                await self._follow_book(name)
        state.tick()

    async def read(self, work: Callable[[], Answer]) -> Answer:
        """Do what only reads prices, which may mean to ask the source.

        ``work`` must change nothing: on live prices it runs beside the loop.
        """
        return await asyncio.to_thread(work) if self._is_live else work()

    async def _follow_book(self, name: str) -> None:
        self._state.take_book(name, await asyncio.to_thread(self._state.prices.fetch_book, name))
