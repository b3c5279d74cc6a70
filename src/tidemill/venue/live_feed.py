"""A venue on live prices follows its source: whatever waits for the network does so on a thread, never on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from tidemill.venue.state import VenueState

Answer = TypeVar("Answer")


class Follower:
    """Fetches what the state then takes; on a recording there is nothing to fetch, and nothing waits."""

    def __init__(self, state: VenueState) -> None:
        self._state = state
        self._is_live = state.prices.is_live

    async def before_order(self, symbol: str | None) -> None:
        """Let the symbol trade on the source's present book."""
        instrument = self._state.symbols.get(symbol or "")
        if self._is_live and instrument is not None:
            await self._follow_book(instrument.id)

    async def tick(self) -> None:
        """Take what has closed, and the books on which orders rest; then match."""
        state = self._state
        if self._is_live:
            state.take_bars(await asyncio.to_thread(state.prices.fetch_bars, state.now))
            for name in sorted(state.resting):
                await self._follow_book(name)
        state.tick()

    async def read(self, work: Callable[[], Answer]) -> Answer:
        """Do what only reads prices, which may mean to ask the source."""
        return await asyncio.to_thread(work) if self._is_live else work()

    async def _follow_book(self, name: str) -> None:
        self._state.take_book(name, await asyncio.to_thread(self._state.prices.fetch_book, name))
