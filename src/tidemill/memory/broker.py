"""A broker that is the exchange itself: no wire between, for the exact backtest and for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tidemill.domain.portfolio import Balance
from tidemill.domain.trading import Fill, OrderRequest, Placement, VenueOrder
from tidemill.matching import Exchange, Refusal, SimOrder, SimTrade, Ticket
from tidemill.ports import Clock


class MemoryBroker:
    """Both broker ports on one account of an :class:`Exchange`."""

    def __init__(self, exchange: Exchange, account: str, market_clock: Clock, wall_clock: Clock) -> None:
        self._exchange = exchange
        self._account = account
        self._market = market_clock
        self._wall = wall_clock
        self._cancels = 0

    def place_order(self, request: OrderRequest) -> Placement:
        """Place at once; a request whose window has passed is refused as the venue would."""
        wall = self._wall.now()
        if wall > request.sent_at + timedelta(milliseconds=request.window_ms):
            return Placement(
                outcome="rejected", evidence="-1021 Timestamp for this request is outside of the recvWindow."
            )
        ticket = Ticket(
            client_order_id=request.client_order_id,
            instrument=request.instrument,
            side=request.side,
            order_type=request.order_type,
            time_in_force=request.time_in_force,
            quantity=request.quantity,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
        )
        placed = self._exchange.place(self._account, ticket, market=self._market.now(), wall=wall)
        if isinstance(placed, Refusal):
            return Placement(outcome="rejected", evidence=f"{placed.code} {placed.message}")
        return Placement(outcome="acked", evidence=f"order {placed.order_id}", order=to_venue_order(placed))

    def cancel_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """Cancel a resting order; None when there is none of that id."""
        self._cancels += 1
        cancelled = self._exchange.cancel(
            self._account,
            instrument,
            order_id=int(venue_order_id) if venue_order_id else None,
            client_order_id=client_order_id,
            new_client_order_id=f"cancel{self._cancels}",
            wall=self._wall.now(),
        )
        return None if isinstance(cancelled, Refusal) else to_venue_order(cancelled)

    def fetch_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """The order by the venue's id when known, else by ours."""
        order = self._exchange.find_order(
            self._account,
            instrument,
            order_id=int(venue_order_id) if venue_order_id else None,
            client_order_id=client_order_id,
        )
        return to_venue_order(order) if order else None

    def fetch_open_orders(self, instruments: Sequence[str]) -> Sequence[VenueOrder]:
        """Resting orders of the instruments."""
        orders = self._exchange.orders(self._account, open_only=True)
        return [to_venue_order(order) for order in orders if order.ticket.instrument in instruments]

    def fetch_orders(self, instrument: str, since: datetime) -> Sequence[VenueOrder]:
        """All orders of an instrument placed since then, oldest first."""
        orders = self._exchange.orders(self._account, instrument)
        return [to_venue_order(order) for order in orders if order.placed_wall >= since]

    def fetch_fills(self, instrument: str, after_trade_id: str | None) -> Sequence[Fill]:
        """Fills of an instrument after a trade id, ascending."""
        trades = self._exchange.trades(self._account, instrument, after_trade_id=int(after_trade_id or 0))
        return [to_fill(trade) for trade in trades]

    def fetch_balances(self) -> Mapping[str, Balance]:
        """Balances that are not zero."""
        return self._exchange.balances(self._account)


def to_venue_order(order: SimOrder) -> VenueOrder:
    """The order as a broker reports it."""
    return VenueOrder(
        venue_order_id=str(order.order_id),
        client_order_id=order.client_order_id,
        instrument=order.ticket.instrument,
        side=order.ticket.side,
        state=order.state,
        quantity=order.ticket.quantity,
        filled=order.filled,
        limit_price=order.ticket.limit_price,
        placed_at=order.placed_wall,
    )


def to_fill(trade: SimTrade) -> Fill:
    """The trade as a broker reports it."""
    return Fill(
        trade_id=str(trade.trade_id),
        venue_order_id=str(trade.order_id),
        instrument=trade.instrument,
        side=trade.side,
        price=trade.price,
        quantity=trade.quantity,
        fee=trade.fee,
        fee_asset=trade.fee_asset,
        traded_at=trade.wall_time,
    )
