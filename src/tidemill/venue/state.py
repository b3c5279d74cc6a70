"""The venue's state: exchange, keys, clock; every change is journaled before it is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.domain.market import Bar, format_time, parse_time
from tidemill.matching import Book, Exchange, Refusal, SimOrder, SimTrade, Ticket
from tidemill.venue.calls import Level, bar_row, book_row, ticket_row, to_bar, to_side, to_ticket
from tidemill.venue.errors import VenueError
from tidemill.venue.events import AccountEvents
from tidemill.venue.faults import Faults
from tidemill.venue.journal import Journal
from tidemill.venue.limits import Usage
from tidemill.venue.options import Beginning, VenueOptions
from tidemill.venue.prices import name_symbols, open_prices


class VenueState:
    """Everything that requests read and change; used from one thread only.

    ``wall`` is the wall clock. A change is a call: a plain dictionary that is applied and then journaled, so that a
    restart applies the same dictionaries. ConfigurationError when the journal does not fit the options.
    """

    def __init__(self, options: VenueOptions, wall: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.options = options
        self.wall = wall
        with ExitStack() as failed:
            if options.live is not None:
                failed.callback(options.live.close)
            self.prices = open_prices(options)
            self.symbols = name_symbols(self.prices.instruments)
            self.journal = Journal(options.database)
            failed.callback(self.journal.close)
            self._begin(self.journal.begin(options, wall()))
            failed.pop_all()

    def _begin(self, begun: Beginning) -> None:
        """Be what the journal tells, then take what came since."""
        self.offset = begun.offset
        self.exchange = Exchange(self.prices.instruments, self.options.rules, self.prices.tape, start=begun.start)
        self.secrets: dict[str, str] = {}
        self.faults = Faults()
        self.usage = Usage(self.options.limits)
        self.outbox: deque[AccountEvents] = deque()
        self._cancels = 0
        self._fed: dict[str, Book] = {}
        # Before any request can come: the past first, in its order.
        for call in self.journal.read():
            self._repeat(call)
        self.take_bars(self.prices.fetch_bars(self.now))

    @property
    def now(self) -> datetime:
        """The market clock."""
        if self.options.clock == "recorded":
            return self.exchange.now
        return self.wall() - self.offset

    @property
    def is_down(self) -> bool:
        """Whether the market clock stands where the recording has no bar: the venue is down."""
        return self.prices.tape.is_down(self.now)

    def close(self) -> None:
        """Write what is left, and let go of the file and of a live source."""
        self.journal.close()
        if self.options.live is not None:
            self.options.live.close()

    def open_account(self, key: str, secret: str, balances: Mapping[str, str]) -> None:
        """Open an account under a key; DataError when the key is taken."""
        if key in self.secrets:
            raise DataError("an account with this key exists")
        self._change({"call": "account", "key": key, "secret": secret, "balances": dict(balances)})

    def move_clock(self, moment: datetime) -> int:
        """Move the market clock forward and match; the number of trades that made.

        On a recorded clock a moment in the past makes none. Resting orders meet all bars closed in between.
        """
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
        """Follow the real clock: let resting orders meet what has closed."""
        until = self.prices.met_until(self.now)
        if until <= self.exchange.now:
            return
        if self.resting:
            self.move_clock(until)
        else:
            self.exchange.advance(until, self.wall())  # nothing can come of it, so nothing is kept

    @property
    def resting(self) -> set[str]:
        """Instruments on which orders rest."""
        return {order.ticket.instrument for key in self.secrets for order in self.exchange.orders(key, open_only=True)}

    def take_bars(self, bars_by_name: Mapping[str, Sequence[Bar]]) -> None:
        """Put bars that were fetched on the tape."""
        for name, bars in bars_by_name.items():
            until = format_time(self.exchange.now)
            self._change({"call": "bars", "instrument": name, "until": until, "bars": [bar_row(bar) for bar in bars]})

    def take_book(self, instrument: str, book: Book | None) -> None:
        """Let an instrument trade on a book that was fetched, on bars when there is none; one that is known is kept.

        Each change of the book is journaled, since orders fill on it; a book like the last one is not.
        """
        if book is None:
            if self.exchange.book(instrument) is not None:
                self.drop_book(instrument)
        elif self._fed.get(instrument) != book or self.exchange.book(instrument) is None:
            self._fed[instrument] = book
            self.feed_book(instrument, book.bids, book.asks)

    def place(self, key: str, ticket: Ticket) -> SimOrder:
        """Place an order; VenueError when it is refused.

        Its events wait in the outbox until the call is on disk. A refusal is not journaled: it changed nothing.
        """
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
        """Cancel an order; VenueError when there is none that rests.

        ``order_id`` wins over ``client_id``; ``new_id`` None makes one up from the venue's seed.
        """
        resting = self.exchange.find_order(key, instrument, order_id=order_id, client_order_id=client_id)
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
        self._tell(AccountEvents.of_cancel(order, resting.client_order_id if resting else ""))
        return order

    def _tell(self, events: AccountEvents) -> None:
        """Keep events for the account's streams until the change that made them is on disk."""
        self.outbox.append(events.after(self.journal.appended))
        if any(report.is_first_fill for report in events.reports):
            self.usage.forgive_order(events.account)

    def _tell_trades(self, trades: Sequence[SimTrade]) -> int:
        for trade in trades:
            self._tell(AccountEvents.of_trade(trade, self._order_of(trade)))
        return len(trades)

    def _order_of(self, trade: SimTrade) -> SimOrder:
        order = self.exchange.find_order(trade.account, trade.instrument, order_id=trade.order_id)
        assert order is not None
        return order

    def _times(self) -> dict[str, str]:
        return {"market": format_time(self.now), "wall": format_time(self.wall())}

    def _accepted(self, call: dict[str, Any]) -> SimOrder:
        result = self._apply(call)
        if isinstance(result, Refusal):
            # Not journaled: a refusal changed nothing, and a journal of accepted calls can be checked when it is read.
            raise VenueError(result.code, result.message, 503 if result.code == -1000 else 400)
        self.journal.append(call)
        return result  # type: ignore[no-any-return]

    def _change(self, call: dict[str, Any]) -> Any:
        result = self._apply(call)
        self.journal.append(call)
        return result

    def _repeat(self, call: Mapping[str, Any]) -> None:
        """Do a call of the journal again; ConfigurationError when it does not come out as it did."""
        if isinstance(self._apply(call), Refusal):
            raise ConfigurationError(
                f"{self.options.database} was made with other prices: a {call['call']} that was accepted then is "
                "refused now; start the venue with the prices it had, or with another --db"
            )

    def _apply(self, call: Mapping[str, Any]) -> Any:
        """Do one call, now or again from the journal: the same call does the same."""
        kind = call["call"]
        # Nothing below may read a clock or a source: what a call does must follow from the call alone.
        if kind == "account":
            self.secrets[call["key"]] = call["secret"]
            amounts = {asset: Decimal(text) for asset, text in call["balances"].items()}
            return self.exchange.open_account(call["key"], amounts)
        if kind == "bars":
            bars = [to_bar(row) for row in call["bars"]]
            return self.prices.take_bars(call["instrument"], bars, parse_time(call["until"], "until"))
        market, wall = (parse_time(call[name], name) for name in ("market", "wall"))
        if kind == "clock":
            return self.exchange.advance(market, wall)
        if kind == "place":
            return self.exchange.place(call["key"], to_ticket(call["ticket"]), market=market, wall=wall)
        return self._apply_cancel(call, wall) if kind == "cancel" else self._apply_book(call, market, wall)

    def _apply_book(self, call: Mapping[str, Any], market: datetime, wall: datetime) -> Any:
        if call["call"] == "no book":
            return self.exchange.drop_book(call["instrument"], market=market)
        sides = to_side(call["bids"]), to_side(call["asks"])
        return self.exchange.feed_book(call["instrument"], *sides, market=market, wall=wall)

    def _apply_cancel(self, call: Mapping[str, Any], wall: datetime) -> Any:
        self._cancels += 1
        return self.exchange.cancel(
            call["key"],
            call["instrument"],
            order_id=call["order_id"],
            client_order_id=call["client_id"],
            new_client_order_id=call["new_id"],
            wall=wall,
        )
