"""What the conformance suite asks of a client, and what it takes for an answer.

A client is written by others; these classes only translate. Each lives in a module that imports its library, so that
the suite runs with whatever is installed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

KEY, SECRET = "k1", "s1"


@dataclass(frozen=True)
class Place:
    """Where a venue listens."""

    rest: str
    ws: str
    ws_api: str
    certificates: str = ""
    """The file of the authority that signed the venue's certificate, for clients over TLS."""


@dataclass(frozen=True)
class Steps:
    """Trading rules of a symbol."""

    price: Decimal
    lot: Decimal


@dataclass(frozen=True)
class Candle:
    """A bar; open time in ms."""

    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True)
class Order:
    """An order as the client tells it; ``status`` in the exchange's words."""

    order_id: int
    client_id: str
    status: str
    filled: Decimal


@dataclass(frozen=True)
class Trade:
    """An execution of one's own."""

    order_id: int
    price: Decimal
    quantity: Decimal
    fee: Decimal


Heard = tuple[str, str]
"""An event of the user stream: client order id and status."""


class Refused(Exception):
    """The exchange said no, with its code."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class Client(Protocol):
    """All calls are coroutines; clients that block do so on a thread."""

    async def markets(self) -> dict[str, Steps]: ...

    async def candles(self, start: int, limit: int) -> list[Candle]:
        """At most ``limit`` daily bars of AAPLUSD from ``start`` on."""
        ...

    async def last_price(self) -> Decimal: ...

    async def limit_buy(self, quantity: str, price: str, client_id: str) -> Order: ...

    async def market_buy(self, quantity: str, client_id: str) -> Order: ...

    async def query(self, client_id: str) -> Order: ...

    async def cancel(self, client_id: str) -> None: ...

    async def open_orders(self) -> list[Order]: ...

    async def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Asset to free and locked; zeros left out."""
        ...

    async def trades(self) -> list[Trade]: ...

    async def collect_page(self, act: Callable[[], Awaitable[None]], last: Heard) -> list[Heard]:
        """Listen to the user stream while ``act`` is done, until ``last`` is heard."""
        ...

    async def close(self) -> None: ...
