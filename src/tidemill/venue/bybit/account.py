"""What needs a key. An order request is only acknowledged: what became of it is told by queries, a moment later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tidemill.domain.market import Instrument
from tidemill.domain.trading import OrderState
from tidemill.matching import SimOrder, SimTrade
from tidemill.venue.bybit import errors
from tidemill.venue.bybit.calls import Call
from tidemill.venue.bybit.shapes import (
    UNNAMED,
    coin_shape,
    execution_shape,
    is_open,
    link_id_of,
    order_id_text,
    order_shape,
    to_order_id,
)
from tidemill.venue.bybit.tickets import read_ticket
from tidemill.venue.errors import VenueError
from tidemill.venue.parameters import to_millis
from tidemill.venue.state import VenueState

Handler = Callable[[str, Call], Any]
RECENT_CLOSED, WEEK_MS = 500, 7 * 24 * 3600 * 1000  # the number by the page "Get Open & Closed Orders"
ARCHIVED_AFTER = timedelta(days=7)  # by the page "Get Order History"


class BybitAccount:
    """Answers for the holder of a key; who asks has been checked before."""

    def __init__(self, state: VenueState) -> None:
        self._state = state
        self._started = state.wall()  # closed orders from before a restart are not among the recent ones
        self._lag = timedelta(seconds=state.options.ack_seconds)
        self.routes: Mapping[tuple[str, str], Handler] = {
            ("POST", "order/create"): self.create,
            ("POST", "order/amend"): self.amend,
            ("POST", "order/cancel"): self.cancel,
            ("POST", "order/cancel-all"): self.cancel_all,
            ("GET", "order/realtime"): self.realtime,
            ("GET", "order/history"): self.history,
            ("GET", "execution/list"): self.executions,
            ("GET", "account/wallet-balance"): self.wallet,
            ("GET", "account/info"): self.account_info,
            ("GET", "user/query-api"): self.key_info,
            ("GET", "asset/coin/query-info"): self.coins,
        }

    def create(self, key: str, call: Call) -> dict[str, str]:
        """Acknowledge an order: its ids, and nothing of what became of it."""
        instrument = self._instrument(call)
        assert instrument is not None
        ticket = read_ticket(call, instrument, f"{UNNAMED}{self._state.exchange.order_count + 1}")
        if self._named(key, ticket.client_order_id) is not None:  # unique for ever, not among open orders only
            raise errors.DUPLICATE
        call.check_window(self._state.wall())
        self._state.faults.start_lag(self._state.exchange.order_count)
        try:
            order = self._state.place(key, ticket)
        except VenueError as error:
            raise errors.refusal_of(error, ticket, instrument) from error
        return _ids(order)

    def amend(self, _key: str, _call: Call) -> dict[str, str]:
        """Orders are not amended here."""
        raise errors.NO_MODIFICATION

    def cancel(self, key: str, call: Call) -> dict[str, str]:
        """Acknowledge a cancel; the order keeps its client order id."""
        self._instrument(call)
        order = self._meant(key, call)
        if order is None:
            raise errors.NO_SUCH_ORDER
        if not is_open(order):
            raise errors.COMPLETED if order.state is OrderState.FILLED else errors.CANCELLED
        call.check_window(self._state.wall())
        return _ids(self._cancel(key, order))

    def cancel_all(self, key: str, call: Call) -> dict[str, Any]:
        """Cancel all open orders, of a symbol or of all."""
        instrument = self._instrument(call, optional=True)
        resting = self._state.exchange.orders(key, instrument.id if instrument else None, open_only=True)
        call.check_window(self._state.wall())
        return {"list": [_ids(self._cancel(key, order)) for order in resting], "success": "1"}

    def realtime(self, key: str, call: Call) -> dict[str, Any]:
        """Open orders; by an id, or with openOnly=1, the last 500 closed ones since the venue started too."""
        instrument = self._instrument(call, optional=True)
        orders = self._visible(self._state.exchange.orders(key))
        closed = [order for order in orders if not is_open(order) and order.updated_wall >= self._started][
            -RECENT_CLOSED:
        ]
        if call.text("orderId") or call.text("orderLinkId"):
            matches = self._by_id([*filter(is_open, orders), *closed], call)
        else:
            matches = closed if call.text("openOnly") == "1" else list(filter(is_open, orders))
            matches = [order for order in matches if instrument is None or order.ticket.instrument == instrument.id]
        return self._page(matches, call)

    def history(self, key: str, call: Call) -> dict[str, Any]:
        """Closed orders of at most seven days; what is older is kept only if it traded."""
        instrument = self._instrument(call, optional=True)
        old = self._state.wall() - ARCHIVED_AFTER
        history = [
            order
            for order in self._visible(self._state.exchange.orders(key))
            if not is_open(order) and (order.filled or order.updated_wall >= old)
        ]
        if call.text("orderId") or call.text("orderLinkId"):
            return self._page(self._by_id(history, call), call)
        start, end = self._range(call)
        of_symbol = [order for order in history if instrument is None or order.ticket.instrument == instrument.id]
        return self._page([order for order in of_symbol if start <= to_millis(order.placed_wall) <= end], call)

    def executions(self, key: str, call: Call) -> dict[str, Any]:
        """Executions of at most seven days, the newest first."""
        instrument = self._instrument(call, optional=True)
        trades = [
            trade for trade in self._state.exchange.trades(key) if self._is_shown(trade.order_id, trade.wall_time)
        ]
        order = self._meant(key, call) if call.text("orderId") or call.text("orderLinkId") else None
        if order is not None:
            matches = [trade for trade in trades if trade.order_id == order.order_id]
        else:
            start, end = self._range(call)
            named = bool(call.text("orderId") or call.text("orderLinkId"))
            within = [trade for trade in trades if start <= to_millis(trade.wall_time) <= end and not named]
            matches = [trade for trade in within if instrument is None or trade.instrument == instrument.id]
        if call.text("execType") not in {None, "Trade"}:
            matches = []
        below, limit = call.integer("cursor") or 2**62, call.limit(50, 100)
        page = [trade for trade in reversed(matches) if trade.trade_id < below][:limit]
        more = str(page[-1].trade_id) if page and page[-1].trade_id > matches[0].trade_id else ""
        return {"category": "spot", "nextPageCursor": more, "list": [self._execution(key, trade) for trade in page]}

    def wallet(self, key: str, call: Call) -> dict[str, Any]:
        """Balances; coins of nothing are left out."""
        if call.need("accountType") != "UNIFIED":
            raise errors.bad_parameter("accountType only support UNIFIED")
        coin_names = set((call.text("coin") or "").split(",")) - {""}
        held = self._state.exchange.balances(key).values()
        coins = [coin_shape(balance) for balance in held if not coin_names or balance.asset in coin_names]
        sums = ("totalEquity", "totalWalletBalance", "totalMarginBalance", "totalAvailableBalance", "totalPerpUPL")
        rates = ("totalInitialMargin", "totalMaintenanceMargin", "accountIMRate", "accountMMRate", "accountLTV")
        head = dict.fromkeys(sums, "") | dict.fromkeys(rates, "0")
        return {"list": [head | {"accountType": "UNIFIED", "coin": coins}]}

    def account_info(self, _key: str, _call: Call) -> dict[str, Any]:
        """A unified account without margin."""
        head = {"marginMode": "REGULAR_MARGIN", "updatedTime": str(to_millis(self._started)), "unifiedMarginStatus": 6}
        return head | {"dcpStatus": "OFF", "timeWindow": 10, "smpGroup": 0, "isMasterTrader": False}

    def key_info(self, key: str, _call: Call) -> dict[str, Any]:
        """What the key may do: trade spot."""
        number = str(1 + list(self._state.secrets).index(key))
        head = {"id": number, "note": "", "apiKey": key, "readOnly": 0, "secret": "", "ips": ["*"], "type": 1}
        return head | {"permissions": {"Spot": ["SpotTrade"]}, "unified": 0, "uta": 1, "userID": int(number)}

    def coins(self, _key: str, _call: Call) -> dict[str, Any]:
        """The coins traded; none can be deposited or withdrawn, so none has a chain."""
        names = sorted({name for symbol in self._state.symbols.values() for name in (symbol.base, symbol.quote)})
        return {"rows": [{"name": name, "coin": name, "remainAmount": "0", "chains": []} for name in names]}

    def _instrument(self, call: Call, *, optional: bool = False) -> Instrument | None:
        """The instrument of the symbol sent; None when it is optional and was not."""
        call.check_category()
        symbol = call.text("symbol") if optional else call.need("symbol")
        if symbol is None:
            return None
        symbol_row = self._state.symbols.get(symbol)
        if symbol_row is None:
            raise errors.INVALID_SYMBOL
        return symbol_row

    def _named(self, key: str, client_id: str) -> SimOrder | None:
        exchange = self._state.exchange
        matches = (
            exchange.find_order(key, symbol.id, client_order_id=client_id) for symbol in self._state.symbols.values()
        )
        return next((order for order in matches if order is not None), None)

    def _meant(self, key: str, call: Call) -> SimOrder | None:
        """The order of the exchange's id, else of the client's; the former wins when both are sent."""
        order_id, link_id = call.text("orderId"), call.text("orderLinkId")
        if order_id is None and link_id is None:
            raise errors.bad_parameter("orderId or orderLinkId is required")
        if order_id is None:
            return self._named(key, link_id or "")
        number, exchange = to_order_id(order_id), self._state.exchange
        matches = (exchange.find_order(key, symbol.id, order_id=number) for symbol in self._state.symbols.values())
        return next((order for order in matches if order is not None), None)

    def _cancel(self, key: str, order: SimOrder) -> SimOrder:
        name = order.client_order_id
        return self._state.cancel(key, order.ticket.instrument, order.order_id, None, name)

    def _is_shown(self, order_id: int, since: datetime) -> bool:
        """Whether queries have caught up with what happened at ``since``."""
        return since + self._lag <= self._state.wall() and self._state.faults.sees(order_id)

    def _visible(self, orders: list[SimOrder]) -> list[SimOrder]:
        return [order for order in orders if self._is_shown(order.order_id, order.placed_wall)]

    @staticmethod
    def _by_id(orders: list[SimOrder], call: Call) -> list[SimOrder]:
        order_id, link_id = call.text("orderId"), call.text("orderLinkId")
        if order_id is not None:
            return [order for order in orders if order_id_text(order.order_id) == order_id]
        return [order for order in orders if link_id_of(order.client_order_id) == link_id]

    def _range(self, call: Call) -> tuple[int, int]:
        """Start and end in ms: seven days unless told, and never more."""
        start, end = call.integer("startTime"), call.integer("endTime")
        if start is None:
            end = to_millis(self._state.wall()) if end is None else end
            return end - WEEK_MS, end
        end = start + WEEK_MS if end is None else end
        if end - start > WEEK_MS:
            raise errors.bad_parameter("The time range between startTime and endTime cannot exceed 7 days")
        return start, end

    def _page(self, orders: list[SimOrder], call: Call) -> dict[str, Any]:
        """The newest first, 20 unless asked and at most 50, behind the cursor."""
        below, limit = call.integer("cursor") or 2**62, call.limit(20, 50)
        newest = sorted((order for order in orders if order.order_id < below), key=lambda order: -order.order_id)
        page = newest[:limit]
        more = str(page[-1].order_id) if len(newest) > limit else ""
        listed = [order_shape(order, self._symbol(order.ticket.instrument)) for order in page]
        return {"category": "spot", "nextPageCursor": more, "list": listed}

    def _execution(self, key: str, trade: SimTrade) -> dict[str, Any]:
        order = self._state.exchange.find_order(key, trade.instrument, order_id=trade.order_id)
        assert order is not None
        rules = self._state.options.rules
        rate = rules.fee_maker if trade.is_maker else rules.fee_taker
        return execution_shape(trade, order, self._symbol(trade.instrument), rate)

    def _symbol(self, instrument: str) -> str:
        instrument_row = self._state.prices.instruments[instrument]
        return instrument_row.base + instrument_row.quote


def _ids(order: SimOrder) -> dict[str, str]:
    return {"orderId": order_id_text(order.order_id), "orderLinkId": link_id_of(order.client_order_id)}
