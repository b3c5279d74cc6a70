"""What needs a key: orders, trades and balances of one account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tidemill.domain.market import Instrument
from tidemill.domain.trading import OrderState, OrderType
from tidemill.matching import SimOrder
from tidemill.venue import errors
from tidemill.venue.parameters import Parameters, to_millis
from tidemill.venue.shapes import cancelled_shape, number, order_shape, placed_shape, trade_shape
from tidemill.venue.state import VenueState
from tidemill.venue.tickets import LONG_AFTER, read_identity, read_range, read_ticket

Handler = Callable[[str, Parameters], Any]
RESPONSES = ("ACK", "RESULT", "FULL")
TOLD_IN_FULL = (OrderType.LIMIT, OrderType.MARKET)  # other types are only acknowledged unless asked
RESTING, NOT_DONE = (OrderState.OPEN, OrderState.PARTLY_FILLED), (OrderState.CANCELLED, OrderState.EXPIRED)
RESTRICTIONS = {"ONLY_NEW": OrderState.OPEN, "ONLY_PARTIALLY_FILLED": OrderState.PARTLY_FILLED}
ARCHIVED_AFTER = timedelta(days=90)  # by the text of -2026
REPLACE_MODES = ("STOP_ON_FAILURE", "ALLOW_FAILURE")


class AccountApi:
    """Answers for the holder of a key; who asks has been checked before."""

    def __init__(self, state: VenueState) -> None:
        self.state = state
        self.routes: Mapping[tuple[str, str], Handler] = {
            ("GET", "account"): self.account,
            ("POST", "order"): self.place,
            ("POST", "order/test"): self.test,
            ("POST", "order/cancelReplace"): self.replace,
            ("GET", "order"): self.query,
            ("DELETE", "order"): self.cancel,
            ("GET", "openOrders"): self.open_orders,
            ("DELETE", "openOrders"): self.cancel_all,
            ("GET", "allOrders"): self.all_orders,
            ("GET", "myTrades"): self.my_trades,
            ("GET", "account/commission"): self.commission,
            ("GET", "rateLimit/order"): lambda key, _parameters: self.state.usage.order_rows(key),
        }

    def account(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """Balances and rates of the account; zero balances of the traded assets unless told to leave them out."""
        rules = self.state.options.rules
        maker, taker = number(rules.fee_maker), number(rules.fee_taker)
        held = self.state.exchange.balances(key)
        rows = [
            {"asset": balance.asset, "free": format(balance.free, "f"), "locked": format(balance.locked, "f")}
            for balance in held.values()
        ]
        if (parameters.text("omitZeroBalances") or "false") != "true":
            traded = {asset for symbol in self.state.symbols.values() for asset in (symbol.base, symbol.quote)}
            rows += [
                {"asset": asset, "free": "0.00000000", "locked": "0.00000000"} for asset in sorted(traded - set(held))
            ]
        return {
            "makerCommission": int(rules.fee_maker * 10_000),
            "takerCommission": int(rules.fee_taker * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": maker, "taker": taker, "buyer": "0.00000000", "seller": "0.00000000"},
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": to_millis(self.state.wall()),
            "accountType": "SPOT",
            "balances": rows,
            "permissions": ["SPOT"],
            "uid": 1 + list(self.state.secrets).index(key),
        }

    def commission(self, _key: str, parameters: Parameters) -> dict[str, Any]:
        """Fee rates of one symbol."""
        symbol, _ = self._symbol(parameters)
        rules, nothing = self.state.options.rules, number(0 * self.state.options.rules.fee_maker)
        rates = {"maker": number(rules.fee_maker), "taker": number(rules.fee_taker)}
        return {"symbol": symbol, "standardCommission": rates | {"buyer": nothing, "seller": nothing}}

    def place(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """Place an order; the window is checked once more just before it is matched."""
        symbol, instrument = self._symbol(parameters)
        response = parameters.text("newOrderRespType")
        if response not in {None, *RESPONSES}:
            raise errors.invalid("newOrderRespType")
        ticket = read_ticket(parameters, instrument, self._next_id())
        response_kind = response or ("FULL" if ticket.order_type in TOLD_IN_FULL else "ACK")
        parameters.check_window(self.state.wall())
        self.state.faults.start_lag(self.state.exchange.order_count)  # queries may miss this order for a while
        return placed_shape(self.state.place(key, ticket), symbol, response_kind)

    def test(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """Judge an order without placing it."""
        _, instrument = self._symbol(parameters)
        self.state.check(key, read_ticket(parameters, instrument, self._next_id()))
        if parameters.text("computeCommissionRates") != "true":
            return {}
        maker, taker = number(self.state.options.rules.fee_maker), number(self.state.options.rules.fee_taker)
        return {"standardCommissionForOrder": {"maker": maker, "taker": taker}}

    def query(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """One order by the exchange's id or ours."""
        symbol, instrument = self._symbol(parameters)
        order = self._find(key, instrument.id, read_identity(parameters))
        if order is None or not self.state.faults.sees(order.order_id):
            raise errors.NO_SUCH_ORDER
        if order.state in NOT_DONE and not order.filled and self.state.wall() - order.updated_wall > ARCHIVED_AFTER:
            raise errors.ARCHIVED
        return order_shape(order, symbol)

    def cancel(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """Cancel one order; it gets a new client order id."""
        return self._cancel(key, parameters, read_identity(parameters), parameters.client_id("newClientOrderId"))

    def replace(self, key: str, parameters: Parameters) -> dict[str, Any]:
        """Cancel one order and place another; what of it was done is told when either fails."""
        mode = parameters.need("cancelReplaceMode")
        if mode not in REPLACE_MODES:
            raise errors.invalid("cancelReplaceMode")
        identity = read_identity(parameters, "cancelOrderId", "cancelOrigClientOrderId")
        new_id = parameters.client_id("cancelNewClientOrderId")
        cancelled = _try(lambda: self._cancel(key, parameters, identity, new_id))
        if isinstance(cancelled, errors.VenueError) and mode == "STOP_ON_FAILURE":
            raise _replace_error(cancelled, None)
        placed = _try(lambda: self.place(key, parameters))
        if isinstance(cancelled, errors.VenueError) or isinstance(placed, errors.VenueError):
            raise _replace_error(cancelled, placed)
        results = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
        return results | {"cancelResponse": cancelled, "newOrderResponse": placed}

    def open_orders(self, key: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Resting orders of one symbol or all."""
        instrument_id = self._symbol(parameters)[1].id if parameters.text("symbol") else None
        orders = self.state.exchange.orders(key, instrument_id, open_only=True)
        visible = [order for order in orders if self.state.faults.sees(order.order_id)]
        return [order_shape(order, self._symbol_of(order.ticket.instrument)) for order in visible]

    def cancel_all(self, key: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Cancel all resting orders of a symbol; -2011 when there is none."""
        symbol, instrument = self._symbol(parameters)
        resting = self.state.exchange.orders(key, instrument.id, open_only=True)
        if not resting:
            raise errors.UNKNOWN_ORDER
        return [
            cancelled_shape(
                self.state.cancel(key, instrument.id, order.order_id, None, None), symbol, order.client_order_id
            )
            for order in resting
        ]

    def all_orders(self, key: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Orders of a symbol, oldest first: from an id, or within times."""
        symbol, instrument = self._symbol(parameters)
        first, start, end, limit = read_range(parameters, "orderId")
        if parameters.integer("orderId") is not None:  # from an id on, whenever that was
            start, end = 0, LONG_AFTER
        orders = [order for order in self.state.exchange.orders(key, instrument.id) if order.order_id >= first]
        within = [order for order in orders if start <= to_millis(order.placed_wall) <= end]
        visible = [order for order in within if self.state.faults.sees(order.order_id)]
        by_id = parameters.text("orderId") or parameters.text("startTime")
        return [order_shape(order, symbol) for order in (visible[:limit] if by_id else visible[-limit:])]

    def my_trades(self, key: str, parameters: Parameters) -> list[dict[str, Any]]:
        """Executions of a symbol, oldest first: from an id, or within times."""
        symbol, instrument = self._symbol(parameters)
        first, start, end, limit = read_range(parameters, "fromId")
        if {"fromId", "orderId"} & set(parameters.values) and {"startTime", "endTime"} & set(parameters.values):
            raise errors.BAD_COMBINATION
        trades = self.state.exchange.trades(key, instrument.id, after_trade_id=max(first - 1, 0))
        within = [trade for trade in trades if start <= to_millis(trade.wall_time) <= end]
        order_id = parameters.integer("orderId")
        visible = [
            trade for trade in within if order_id in {None, trade.order_id} and self.state.faults.sees(trade.order_id)
        ]
        by_id = parameters.text("fromId") or parameters.text("startTime")
        return [trade_shape(trade, symbol) for trade in (visible[:limit] if by_id else visible[-limit:])]

    def _cancel(self, key: str, parameters: Parameters, identity: dict[str, Any], new_id: str | None) -> dict[str, Any]:
        symbol, instrument = self._symbol(parameters)
        restricted = parameters.text("cancelRestrictions")
        if restricted not in {None, *RESTRICTIONS}:
            raise errors.BAD_RESTRICTIONS
        order = self._find(key, instrument.id, identity)
        if (
            order is not None
            and order.state in RESTING
            and RESTRICTIONS.get(restricted or "") not in {None, order.state}
        ):
            raise errors.RESTRICTED
        original = order.client_order_id if order else ""
        parameters.check_window(self.state.wall())
        cancelled = self.state.cancel(key, instrument.id, identity["order_id"], identity["client_order_id"], new_id)
        return cancelled_shape(cancelled, symbol, original)

    def _find(self, key: str, instrument: str, identity: dict[str, Any]) -> SimOrder | None:
        """The order meant; when both its ids were sent they must belong together."""
        order = self.state.exchange.find_order(key, instrument, **identity)
        if order is None or identity["order_id"] is None:
            return order
        if identity["client_order_id"] not in {None, order.client_order_id}:
            raise errors.WRONG_CLIENT_ID
        return order

    def _next_id(self) -> str:
        return f"venue{self.state.exchange.order_count + 1}"

    def _symbol(self, parameters: Parameters) -> tuple[str, Instrument]:
        symbol = parameters.symbol()
        instrument = self.state.symbols.get(symbol)
        if instrument is None:
            raise errors.INVALID_SYMBOL
        return symbol, instrument

    def _symbol_of(self, instrument: str) -> str:
        instrument_row = self.state.prices.instruments[instrument]
        return instrument_row.base + instrument_row.quote


def _try(attempt: Callable[[], dict[str, Any]]) -> dict[str, Any] | errors.VenueError:
    try:
        return attempt()
    except errors.VenueError as error:
        return error


def _replace_error(
    cancelled: dict[str, Any] | errors.VenueError, placed: dict[str, Any] | errors.VenueError | None
) -> errors.VenueError:
    """What was done and what failed, in the exchange's words."""

    def tell(part: dict[str, Any] | errors.VenueError | None) -> tuple[str, Any]:
        if part is None:
            return "NOT_ATTEMPTED", None
        if isinstance(part, errors.VenueError):
            return "FAILURE", {"code": part.code, "msg": part.message}
        return "SUCCESS", part

    (first, cancel_body), (second, place_body) = tell(cancelled), tell(placed)
    data = {"cancelResult": first, "newOrderResult": second}
    data |= {"cancelResponse": cancel_body, "newOrderResponse": place_body}
    if "SUCCESS" in {first, second}:
        return errors.VenueError(-2021, "Order cancel-replace partially failed.", 409, data=data)
    return errors.VenueError(-2022, "Order cancel-replace failed.", 400, data=data)
