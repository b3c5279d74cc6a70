"""Instruments, orders, executions and balances in this exchange's JSON.

By the pages "Get Order History", "Get Trade History", "Get Wallet Balance" and "Get Instruments Info". All numbers are
text; what spot does not have is an empty text or "0", as the exchange writes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO, Balance
from tidemill.domain.trading import OrderState, OrderType
from tidemill.matching import SimOrder, SimTrade
from tidemill.venue.parameters import to_millis

FIRST_ID = 10**18
"""The exchange's order ids have 19 digits."""
UNNAMED = "~"
"""Begins the inner name of an order that was sent without a client order id: no client can send it."""
STATUS = {OrderState.OPEN: "New", OrderState.PARTLY_FILLED: "PartiallyFilled", OrderState.FILLED: "Filled"}
MAX_QUANTITY, MAX_AMOUNT = "9000000000", "9000000000"


def plain(value: Decimal) -> str:
    """A plain decimal without padding.

    Never with an exponent: 100, not 1E+2.
    """
    return format(value.normalize(), "f")


def order_id_text(order_id: int) -> str:
    """An order id as told.

    19 digits. Clients must not take it for a number: it is beyond what a float holds.
    """
    return str(FIRST_ID + order_id)


def to_order_id(text: str) -> int:
    """The inner id; 0 for what is none.

    Such as a text of other length, which no order can have. Nothing is raised: the order is just not found.
    """
    return int(text) - FIRST_ID if text.isascii() and text.isdigit() and len(text) == len(str(FIRST_ID)) else 0


def link_id_of(client_order_id: str) -> str:
    """The client order id as told: empty when none was sent.

    Within the venue every order has a client order id; one it made up itself begins with ``UNNAMED``.
    """
    return "" if client_order_id.startswith(UNNAMED) else client_order_id


def is_open(order: SimOrder) -> bool:
    """Whether an order may still fill."""
    return order.state in {OrderState.OPEN, OrderState.PARTLY_FILLED}


def status_of(order: SimOrder) -> str:
    """The exchange's word for an order's state; spot has one of its own for what was cut off after a fill.

    An order that ended after part of it filled is PartiallyFilledCanceled, one without a fill Cancelled.
    """
    return STATUS.get(order.state) or ("PartiallyFilledCanceled" if order.filled else "Cancelled")


def instrument_shape(instrument: Instrument) -> dict[str, Any]:
    """Trading rules of one symbol.

    Smallest quantity is one lot; the smallest value is the instrument's minimum notional.
    """
    lot = plain(instrument.lot_step)
    return {
        "symbol": instrument.base + instrument.quote,
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "lotSizeFilter": {
            "basePrecision": lot,
            "quotePrecision": "0.00000001",
            "minOrderQty": lot,
            "maxOrderQty": MAX_QUANTITY,
            "minOrderAmt": plain(instrument.min_notional),
            "maxOrderAmt": MAX_AMOUNT,
        },
        "priceFilter": {"tickSize": plain(instrument.price_step)},
    }


def order_shape(order: SimOrder, symbol: str) -> dict[str, Any]:
    """An order as queries answer it.

    ``leavesQty`` is zero once the order has ended, whatever did not fill. ``avgPrice`` is empty without a fill.
    """
    ticket, quote = order.ticket, order.ticket.quote_quantity
    is_market = ticket.order_type is OrderType.MARKET
    post_only = ticket.order_type is OrderType.LIMIT_MAKER
    # What an order that has ended did not fill cannot fill any more, so the exchange reports zero.
    rest = order.rest if is_open(order) else ZERO
    return {
        "orderId": order_id_text(order.order_id),
        "orderLinkId": link_id_of(order.client_order_id),
        "symbol": symbol,
        "side": str(ticket.side).capitalize(),
        "orderType": "Market" if is_market else "Limit",
        "price": plain(ticket.limit_price or ZERO),
        "qty": plain(quote if quote is not None else ticket.quantity),
        "marketUnit": ("baseCoin" if quote is None else "quoteCoin") if is_market else "",
        "timeInForce": "IOC" if is_market else "PostOnly" if post_only else str(ticket.time_in_force),
        "orderStatus": status_of(order),
        "cancelType": "CancelByUser" if order.state is OrderState.CANCELLED else "UNKNOWN",
        "rejectReason": "EC_NoImmediateQtyToFill" if order.state is OrderState.EXPIRED else "EC_NoError",
        "avgPrice": plain((order.quote_filled / order.filled).quantize(Decimal("1e-8"))) if order.filled else "",
        "leavesQty": plain(rest),
        "leavesValue": plain(rest * (ticket.limit_price or ZERO)),
        "cumExecQty": plain(order.filled),
        "cumExecValue": plain(order.quote_filled),
        "cumExecFee": "",
        "cumFeeDetail": fee_detail(order.trades),
        "isLeverage": "0",
        "positionIdx": 0,
        "stopOrderType": "",
        "orderIv": "",
        "triggerPrice": "0",
        "takeProfit": "",
        "stopLoss": "",
        "reduceOnly": False,
        "closeOnTrigger": False,
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
        "placeType": "",
        "blockTradeId": "",
        "extraFees": "",
        "createdTime": str(to_millis(order.placed_wall)),
        "updatedTime": str(to_millis(order.updated_wall)),
    }


def fee_detail(trades: Iterable[SimTrade]) -> dict[str, str]:
    """Fees by coin."""
    sums: dict[str, Decimal] = {}
    for trade in trades:
        sums[trade.fee_asset] = sums.get(trade.fee_asset, ZERO) + trade.fee
    return {coin: plain(amount) for coin, amount in sums.items()}


def execution_shape(trade: SimTrade, order: SimOrder, symbol: str, fee_rate: Decimal) -> dict[str, Any]:
    """An execution of one's own.

    ``order`` is needed for what had filled before: ``leavesQty`` is as of this execution. ``fee_rate`` is a fraction.
    """
    ticket = order.ticket
    filled = sum((earlier.quantity for earlier in order.trades if earlier.trade_id <= trade.trade_id), ZERO)
    return {
        "symbol": symbol,
        "orderId": order_id_text(trade.order_id),
        "orderLinkId": link_id_of(trade.client_order_id),
        "side": str(trade.side).capitalize(),
        "orderPrice": plain(ticket.limit_price or ZERO),
        "orderQty": plain(ticket.quantity),
        "leavesQty": plain(ticket.quantity - filled),
        "orderType": "Market" if ticket.order_type is OrderType.MARKET else "Limit",
        "stopOrderType": "",
        "execFee": plain(trade.fee),
        # Another range than order ids, so that the two are never mistaken for each other.
        "execId": str(2 * FIRST_ID + trade.trade_id),
        "execPrice": plain(trade.price),
        "execQty": plain(trade.quantity),
        "execType": "Trade",
        "execValue": plain(trade.price * trade.quantity),
        "execTime": str(to_millis(trade.wall_time)),
        "feeCurrency": trade.fee_asset,
        "feeRate": plain(fee_rate),
        "isMaker": trade.is_maker,
        "isLeverage": "0",
        "blockTradeId": "",
        "closedSize": "",
        "extraFees": "",
        "seq": trade.trade_id,
    }


def coin_shape(balance: Balance) -> dict[str, Any]:
    """One coin of a wallet; what is only filled in for margin accounts is nothing here."""
    nothing = ("totalOrderIM", "totalPositionIM", "totalPositionMM", "unrealisedPnl", "cumRealisedPnl", "bonus")
    borrowed = ("borrowAmount", "accruedInterest", "spotBorrow", "spotHedgingQty")
    total = plain(balance.total)
    return dict.fromkeys((*nothing, *borrowed), "0") | {
        "coin": balance.asset,
        "equity": total,
        "walletBalance": total,
        "locked": plain(balance.locked),
        "usdValue": "",
        "free": "",
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "marginCollateral": False,
        "collateralSwitch": False,
    }
