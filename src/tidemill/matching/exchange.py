"""The exchange: accounts, orders and trades against a tape of bars and fed books. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from tidemill.domain.errors import DataError
from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO, Balance
from tidemill.domain.trading import OrderState
from tidemill.matching import filters
from tidemill.matching.admission import Judged, judge
from tidemill.matching.book import Book
from tidemill.matching.clearing import Clearing, funding_amount
from tidemill.matching.crossing import Meeting
from tidemill.matching.markets import Market
from tidemill.matching.values import FillRules, Refusal, SimOrder, SimTrade, Ticket
from tidemill.matching.working_orders import Orders, WorkingOrder
from tidemill.ports import BarTape


class Exchange:
    """Orders of any number of accounts; ids of orders and trades count up from 1.

    The same calls with the same times give the same answers, so a journal of calls is a backup. DataError
    when fees are taken in a third asset that has no price in one of the quote assets.
    """

    def __init__(
        self, instruments: Mapping[str, Instrument], rules: FillRules, tape: BarTape, *, start: datetime
    ) -> None:
        self.instruments = dict(instruments)
        self.rules = rules
        self._tape = tape
        self._now = start
        self._clearing = Clearing(instruments.values(), rules)
        self._markets = {name: Market(name, instrument, rules, tape) for name, instrument in instruments.items()}
        self._orders = Orders(instruments)
        self._meeting = Meeting(self._orders, self._clearing)

    @property
    def now(self) -> datetime:
        """Market time of the last move."""
        return self._now

    @property
    def order_count(self) -> int:
        """Orders accepted so far, of all accounts."""
        return len(self._orders)

    @property
    def fees(self) -> Mapping[str, Decimal]:
        """Fees collected so far by asset."""
        return self._clearing.accounts.fees

    @property
    def funding(self) -> Mapping[str, Decimal]:
        """Funding paid so far by asset, less what was received."""
        return self._clearing.accounts.funding

    def open_account(self, account: str, balances: Mapping[str, Decimal]) -> None:
        """Open an account; DataError when it exists.

        ``balances`` are free quantities by asset; what is left out begins at zero. Orders need an open account.
        """
        self._clearing.accounts.open(account, balances)
        self._orders.open_account(account)

    def balances(self, account: str) -> dict[str, Balance]:
        """Balances that are not zero, by asset.

        Free and locked apart, sorted by asset. KeyError for an account that was never opened.
        """
        return self._clearing.accounts.balances(account)

    def check(self, account: str, ticket: Ticket, *, market: datetime) -> Refusal | None:
        """Judge an order as :meth:`place` would, and place nothing.

        None when it would be accepted at market time ``market``; as long as nothing else happens, place then agrees.
        """
        judged = self._judge(account, ticket, market)
        return judged if isinstance(judged, Refusal) else None

    def place(self, account: str, ticket: Ticket, *, market: datetime, wall: datetime) -> SimOrder | Refusal:
        """Accept and match an order at market time ``market``, or refuse it and change nothing.

        The order comes back as it stands after arrival, with its fills. Resting orders do not meet bars up to
        ``market`` by this: call :meth:`advance` first. ``wall`` is only noted. The account must be open.
        """
        judged = self._judge(account, ticket, market)
        if isinstance(judged, Refusal):
            return judged
        ticket, offer, after = judged
        instrument = self.instruments[ticket.instrument]
        order = WorkingOrder(
            len(self._orders) + 1, account, ticket, instrument, market=market, wall=wall, after_bar=after
        )
        self._orders.add(order)
        self._clearing.lock(order)
        self._meeting.arrive(order, offer, market, wall)
        return order.view()

    def cancel(
        self,
        account: str,
        instrument: str,
        *,
        order_id: int | None = None,
        client_order_id: str | None = None,
        new_client_order_id: str,
        wall: datetime,
    ) -> SimOrder | Refusal:
        """Cancel a resting order; its client order id becomes ``new_client_order_id``.

        ``order_id`` wins over ``client_order_id``. Refused with -2011 when there is no such order of the account on the
        instrument, or when it has ended. The rest is unlocked; fills stay.
        """
        order = self._find(account, instrument, order_id, client_order_id)
        if order is None or not self._orders.rests(order):
            return filters.UNKNOWN_ORDER
        self._orders.rename(order, new_client_order_id)
        self._meeting.end(order, OrderState.CANCELLED, wall)
        return order.view()

    def advance(self, market: datetime, wall: datetime) -> list[SimTrade]:
        """Move to ``market``; resting orders meet every bar closed since the last move, in time order.

        A ``market`` that is not after the last move does nothing. An instrument on a book meets no bars. The trades
        come in the order in which they happened: by close of the bar, then by name of the instrument, then by age of
        the order.
        """
        earlier = len(self._clearing.trades.all)
        if market > self._now:
            bars = [
                (bar.close_time, name, bar)
                for name, market_of in self._markets.items()
                # Nobody rests there: the bars need not be read at all, which is most of the time in a backtest.
                if market_of.book is None and self._orders.any_on(name)
                for bar in self._tape.bars_closed(name, self._now, market)
            ]
            # One order of time over all instruments: ids of trades, and what is free to pay fees with, depend on it.
            for _, name, bar in sorted(bars, key=lambda row: row[:2]):
                self._meeting.meet_bar(self._markets[name], bar, wall)
            self._now = market
        return self._clearing.trades.all[earlier:]

    def settle_funding(self, account: str, instrument: str, *, mark: Decimal, rate: Decimal) -> Decimal:
        """Take ``rate`` of what an account holds of an instrument, at ``mark``; what was paid, below 0 received.

        What rests in sell orders is held as well. DataError for an unknown instrument; nothing has changed then.
        """
        traded = self._market(instrument).instrument
        held = self._clearing.accounts.balances(account).get(traded.base)
        paid = funding_amount(held.total if held else ZERO, mark, rate)
        self._clearing.accounts.pay_funding(account, traded.quote, paid)
        return paid

    def feed_book(
        self,
        instrument: str,
        bids: Sequence[Sequence[Decimal]],
        asks: Sequence[Sequence[Decimal]],
        *,
        market: datetime,
        wall: datetime,
    ) -> list[SimTrade]:
        """Let an instrument's orders meet a new book of (price, quantity), best first, and fill on it from now on.

        DataError for an unknown instrument or a book that cannot be (see :class:`Book`); nothing has changed then.
        """
        place, earlier = self._market(instrument), len(self._clearing.trades.all)
        place.feed(Book.of(bids, asks))
        self._meeting.meet_book(place, market, wall)
        return self._clearing.trades.all[earlier:]

    def drop_book(self, instrument: str, *, market: datetime) -> None:
        """Go back from the book to bars; only bars that open after ``market`` may fill the orders that rest."""
        self._market(instrument).feed(None)
        for order in self._orders.resting_on(instrument):
            order.wait_until(market)

    def book(self, instrument: str) -> Book | None:
        """What our orders have left of the book that was fed; None while the instrument trades on bars."""
        place = self._market(instrument)
        if place.book is None:
            return None
        return Book(bids=tuple(place.depth(is_buy=False).remaining), asks=tuple(place.depth(is_buy=True).remaining))

    def find_order(
        self, account: str, instrument: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> SimOrder | None:
        """An order by id, else the latest that carries the client order id; None when there is none.

        ``order_id`` wins over ``client_order_id``, and an order of another account or instrument is not found. Orders
        that have ended are found as well.
        """
        order = self._find(account, instrument, order_id, client_order_id)
        return None if order is None else order.view()

    def orders(self, account: str, instrument: str | None = None, *, open_only: bool = False) -> list[SimOrder]:
        """Orders by id, of one instrument or all.

        Those that have ended too, unless ``open_only``. Empty for an instrument without orders.
        """
        return [order.view() for order in self._orders.of(account, instrument, open_only=open_only)]

    def trades(self, account: str, instrument: str | None = None, *, after_trade_id: int = 0) -> list[SimTrade]:
        """Trades by id, after ``after_trade_id``.

        Ids count up over all accounts, so those of one account have gaps.
        """
        return self._clearing.trades.of(account, instrument, after_trade_id)

    def _market(self, instrument: str) -> Market:
        if instrument not in self._markets:
            raise DataError(f"the venue has no instrument {instrument}; there are {', '.join(self._markets)}")
        return self._markets[instrument]

    def _find(
        self, account: str, instrument: str, order_id: int | None, client_order_id: str | None
    ) -> WorkingOrder | None:
        order = self._orders.find(account, order_id, client_order_id)
        return order if order is not None and order.ticket.instrument == instrument else None

    def _judge(self, account: str, ticket: Ticket, moment: datetime) -> Judged | Refusal:
        market = self._markets.get(ticket.instrument)
        if market is None:
            return filters.INVALID_SYMBOL
        return judge(account, ticket, market, moment, orders=self._orders, clearing=self._clearing)
