"""The venue's state: exchange, keys, clock; every change is journaled before it is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument, format_time, parse_time
from tidemill.matching import Exchange, Refusal, SimOrder, SimTrade, Ticket
from tidemill.ports import BarTape
from tidemill.venue.calls import Level, book_row, ticket_row, to_side, to_ticket
from tidemill.venue.errors import VenueError
from tidemill.venue.events import AccountEvents
from tidemill.venue.faults import Faults
from tidemill.venue.journal import Journal
from tidemill.venue.options import VenueOptions, shift_to_now
from tidemill.venue.prices import LivePrices, Prices, RecordedPrices


class _MovingTape:
    """The tape as the prices have it now."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    def bar_at(self, instrument: str, moment: datetime) -> Any:
        return self._prices.tape.bar_at(instrument, moment)

    def bars_closed(self, instrument: str, after: datetime, until: datetime) -> Any:
        return self._prices.tape.bars_closed(instrument, after, until)

    def is_down(self, moment: datetime) -> bool:
        return self._prices.tape.is_down(moment)


class VenueState:
    """Everything that requests read and change; used from one thread only."""

    def __init__(self, options: VenueOptions, wall: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.options = options
        self.wall = wall
        self.prices = self._open_prices()
        self.symbols = self._name_symbols(self.prices.instruments)
        recording = options.recording
        shifted = recording is not None and options.clock == "real"
        self.offset = shift_to_now(recording, wall()) if recording is not None and shifted else timedelta(0)
        start = recording.first_open if recording is not None and not shifted else wall() - self.offset
        tape: BarTape = _MovingTape(self.prices)
        self.exchange = Exchange(self.prices.instruments, options.rules, tape, start=start)
        self.secrets: dict[str, str] = {}
        self.faults = Faults()
        self.journal = Journal(options.database)
        self.outbox: deque[AccountEvents] = deque()
        self._cancels = 0
        for call in self.journal.read():
            self._apply(call)

    @property
    def now(self) -> datetime:
        """The market clock."""
        if self.options.clock == "recorded":
            return self.exchange.now
        return self.wall() - self.offset

    @property
    def is_down(self) -> bool:
        """Whether the market clock stands in a hole of the recording."""
        return self.prices.tape.is_down(self.now)

    def open_account(self, key: str, secret: str, balances: Mapping[str, str]) -> None:
        """Open an account under a key; DataError when the key is taken."""
        if key in self.secrets:
            raise DataError("an account with this key exists")
        self._change({"call": "account", "key": key, "secret": secret, "balances": dict(balances)})

    def move_clock(self, moment: datetime) -> int:
        """Move the market clock forward and match; the number of trades that made."""
        if self.options.clock == "recorded" and moment <= self.exchange.now:
            return 0
        call = {"call": "clock", "market": format_time(moment), "wall": format_time(self.wall())}
        return self._tell_trades(self._change(call))

    def feed_book(self, instrument: str, bids: Sequence[Level], asks: Sequence[Level]) -> int:
        """Let an instrument trade on this book; the number of trades that made, DataError for one that cannot be."""
        call = {"call": "book", "instrument": instrument, **book_row(bids, asks), **self._times()}
        return self._tell_trades(self._change(call))

    def drop_book(self, instrument: str) -> None:
        """Let an instrument trade on bars again."""
        self._change({"call": "no book", "instrument": instrument, **self._times()})

    def tick(self) -> None:
        """Follow the real clock: fetch what is new, match what has closed."""
        self.prices.refresh(self.now)
        resting = any(self.exchange.orders(key, open_only=True) for key in self.secrets)
        if resting:
            self.move_clock(self.now)

    def place(self, key: str, ticket: Ticket) -> SimOrder:
        """Place an order; VenueError when it is refused."""
        order = self._accepted({"call": "place", "key": key, "ticket": ticket_row(ticket), **self._times()})
        self._tell(AccountEvents.of_new(order))
        return order

    def check(self, key: str, ticket: Ticket) -> None:
        """Judge an order without placing it."""
        if refusal := self.exchange.check(key, ticket, market=self.now):
            raise VenueError(refusal.code, refusal.message)

    def cancel(
        self, key: str, instrument: str, order_id: int | None, client_id: str | None, new_id: str | None
    ) -> SimOrder:
        """Cancel an order; VenueError when there is none that rests."""
        known = self.exchange.find_order(key, instrument, order_id=order_id, client_order_id=client_id)
        order = self._accepted(
            {
                "call": "cancel",
                "key": key,
                "instrument": instrument,
                "order_id": order_id,
                "client_id": client_id,
                "new_id": new_id or f"cancel{self.options.seed}x{self._cancels + 1}",
                **self._times(),
            }
        )
        self._tell(AccountEvents.of_cancel(order, known.client_order_id if known else ""))
        return order

    def _tell(self, events: AccountEvents) -> None:
        """Keep events for the account's streams until the change that made them is on disk."""
        self.outbox.append(events.after(self.journal.appended))

    def _tell_trades(self, done: Sequence[SimTrade]) -> int:
        for trade in done:
            self._tell(AccountEvents.of_trade(trade, self._order_of(trade)))
        return len(done)

    def _order_of(self, trade: SimTrade) -> SimOrder:
        order = self.exchange.find_order(trade.account, trade.instrument, order_id=trade.order_id)
        assert order is not None
        return order

    def _times(self) -> dict[str, str]:
        return {"market": format_time(self.now), "wall": format_time(self.wall())}

    def _accepted(self, call: dict[str, Any]) -> SimOrder:
        done = self._apply(call)
        if isinstance(done, Refusal):
            raise VenueError(done.code, done.message, 503 if done.code == -1000 else 400)
        self.journal.append(call)
        return done  # type: ignore[no-any-return]

    def _change(self, call: dict[str, Any]) -> Any:
        done = self._apply(call)
        self.journal.append(call)
        return done

    def _apply(self, call: Mapping[str, Any]) -> Any:
        """Do one call, now or again from the journal: the same call does the same."""
        kind = call["call"]
        if kind == "account":
            self.secrets[call["key"]] = call["secret"]
            amounts = {asset: Decimal(text) for asset, text in call["balances"].items()}
            return self.exchange.open_account(call["key"], amounts)
        market, wall = (parse_time(call[name], name) for name in ("market", "wall"))
        if kind == "clock":
            return self.exchange.advance(market, wall)
        if kind == "book":
            sides = to_side(call["bids"]), to_side(call["asks"])
            return self.exchange.feed_book(call["instrument"], *sides, market=market, wall=wall)
        if kind == "no book":
            return self.exchange.drop_book(call["instrument"], market=market)
        if kind == "place":
            return self.exchange.place(call["key"], to_ticket(call["ticket"]), market=market, wall=wall)
        self._cancels += 1
        return self.exchange.cancel(
            call["key"],
            call["instrument"],
            order_id=call["order_id"],
            client_order_id=call["client_id"],
            new_client_order_id=call["new_id"],
            wall=wall,
        )

    def _open_prices(self) -> Prices:
        options = self.options
        if options.recording is not None:
            return RecordedPrices(options.recording)
        if options.live is None:
            raise DataError("a venue needs a recording or a live source of prices")
        return LivePrices(options.live, options.universe, options.timeframe, self.wall())

    @staticmethod
    def _name_symbols(instruments: Mapping[str, Instrument]) -> dict[str, Instrument]:
        symbols: dict[str, Instrument] = {}
        for one in instruments.values():
            symbol = one.base + one.quote
            if symbol in symbols:
                raise DataError(f"{one.id} and {symbols[symbol].id} would both be called {symbol}; serve one of them")
            symbols[symbol] = one
        return symbols
