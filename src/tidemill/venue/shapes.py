"""Orders, trades and trading rules in the exchange's JSON.

By the pages "Trading endpoints", "Account Endpoints" and "General endpoints", field by field. Fields of what the venue
does not offer (order lists, icebergs, self-trade prevention) have the value of an account without.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import ZERO
from tidemill.domain.trading import OrderState, OrderType, Side
from tidemill.matching import MAX_OPEN_ORDERS, SimOrder, SimTrade
from tidemill.venue.klines import Kline
from tidemill.venue.parameters import to_millis

STATUS = {
    OrderState.OPEN: "NEW",
    OrderState.PARTLY_FILLED: "PARTIALLY_FILLED",
    OrderState.FILLED: "FILLED",
    OrderState.EXPIRED: "EXPIRED",
    OrderState.CANCELLED: "CANCELED",
}
TYPE = {OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT"}
ORDER_TYPES = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT"]


def number(value: Decimal) -> str:
    """A plain decimal with at least eight digits, as the exchange writes it.

    Never with an exponent; more digits than eight stay.
    """
    text = format(value.normalize(), "f")
    digits = len(text.partition(".")[2])
    return text if digits >= 8 else f"{value:.8f}"


def status_of(state: OrderState) -> str:
    """The exchange's word for a state.

    KeyError for states that only a client has, such as SUBMITTING.
    """
    return STATUS[state]


def type_of(order_type: OrderType) -> str:
    """The exchange's word for an order type."""
    return TYPE.get(order_type, str(order_type))


def order_shape(order: SimOrder, symbol: str) -> dict[str, Any]:
    """An order as a query answers it.

    ``symbol`` is the exchange's; prices that an order has not are zero, as the exchange writes them.
    """
    ticket = order.ticket
    return {
        "symbol": symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "price": number(ticket.limit_price or Decimal(0)),
        "origQty": number(ticket.quantity),
        "executedQty": number(order.filled),
        "cummulativeQuoteQty": number(order.quote_filled),
        "status": status_of(order.state),
        "timeInForce": str(ticket.time_in_force),
        "type": type_of(ticket.order_type),
        "side": str(ticket.side),
        "stopPrice": number(ticket.stop_price or Decimal(0)),
        "icebergQty": "0.00000000",
        "time": to_millis(order.placed_wall),
        "updateTime": to_millis(order.updated_wall),
        "isWorking": order.triggered,
        "workingTime": to_millis(order.placed_wall),
        "origQuoteOrderQty": number(ticket.quote_quantity or Decimal(0)),
        "selfTradePreventionMode": "NONE",
    }


def placed_shape(order: SimOrder, symbol: str, response: str) -> dict[str, Any]:
    """The answer to a new order: ACK, RESULT or FULL.

    ``response`` is ``newOrderRespType``. Only FULL has the fills; ACK says nothing about whether it traded. Any other
    value gives RESULT.
    """
    shape = order_shape(order, symbol)
    head = {name: shape[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId")}
    head["transactTime"] = to_millis(order.updated_wall)
    if response == "ACK":
        return head
    names = ("price", "origQty", "executedQty", "origQuoteOrderQty", "cummulativeQuoteQty", "status", "timeInForce")
    head |= {name: shape[name] for name in (*names, "type", "side", "workingTime", "selfTradePreventionMode")}
    if response == "FULL":
        head["fills"] = [
            {
                "price": number(trade.price),
                "qty": number(trade.quantity),
                "commission": number(trade.fee),
                "commissionAsset": trade.fee_asset,
                "tradeId": trade.trade_id,
            }
            for trade in order.trades
        ]
    return head


def cancelled_shape(order: SimOrder, symbol: str, original: str) -> dict[str, Any]:
    """The answer to a cancel: the order under its new client order id, with the one it had.

    ``original`` is the client order id before the cancel, by which a client knows its order.
    """
    shape = order_shape(order, symbol)
    for name in ("time", "updateTime", "isWorking", "workingTime", "icebergQty", "stopPrice"):
        shape.pop(name)
    return shape | {"origClientOrderId": original, "transactTime": to_millis(order.updated_wall)}


def trade_shape(trade: SimTrade, symbol: str) -> dict[str, Any]:
    """An execution of one's own.

    ``quoteQty`` is price times quantity, exactly; the fee stands beside it and is not taken off.
    """
    return {
        "symbol": symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": number(trade.price),
        "qty": number(trade.quantity),
        "quoteQty": number(trade.price * trade.quantity),
        "commission": number(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": to_millis(trade.wall_time),
        "isBuyer": trade.side is Side.BUY,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def symbol_shape(instrument: Instrument) -> dict[str, Any]:
    """Trading rules of one symbol.

    Its filters are those that matching applies, so a client that obeys them is not refused by one.
    """
    tick, lot = number(instrument.price_step), number(instrument.lot_step)
    size = {"minQty": lot, "maxQty": "9000000000.00000000", "stepSize": lot}
    return {
        "symbol": instrument.base + instrument.quote,
        "status": "TRADING",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ORDER_TYPES,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", **size},
            {"filterType": "MARKET_LOT_SIZE", **size},
            {
                "filterType": "NOTIONAL",
                "minNotional": number(instrument.min_notional),
                "applyMinToMarket": True,
                "maxNotional": "9000000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 0,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MAX_OPEN_ORDERS},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def bar_trade(row: Kline) -> dict[str, Any]:
    """A closed bar told as one trade; its id is the bar's open time, so that ids rise with time.

    At the close of the bar, all its volume, as if a buyer had taken it. Ids are ms since 1970.
    """
    price, quantity = Decimal(row[4]), Decimal(row[5])
    return {
        "id": row[0],
        "price": number(price),
        "qty": number(quantity),
        "quoteQty": number(price * quantity),
        "time": row[6],
        "isBuyerMaker": False,
        "isBestMatch": True,
    }


def ticker_shape(instrument: Instrument, rows: Sequence[Kline]) -> dict[str, Any]:
    """Change over some bars, oldest first and at least one, with the best prices one step off the last."""
    last, first = Decimal(rows[-1][4]), Decimal(rows[0][1])
    volumes = [Decimal(row[5]) for row in rows]
    # Quote volume is not recorded: closes times volumes stand for it.
    spent = sum((Decimal(row[4]) * volume for row, volume in zip(rows, volumes, strict=True)), ZERO)
    traded = sum(volumes, ZERO)
    return {
        "symbol": instrument.base + instrument.quote,
        "priceChange": number(last - first),
        "priceChangePercent": f"{(last / first - 1) * 100:.3f}",
        "weightedAvgPrice": number(spent / traded if traded else last),
        "prevClosePrice": number(first),
        "lastPrice": number(last),
        "lastQty": number(volumes[-1]),
        "bidPrice": number(max(last - instrument.price_step, ZERO)),
        "bidQty": number(instrument.lot_step * 1000),
        "askPrice": number(last + instrument.price_step),
        "askQty": number(instrument.lot_step * 1000),
        "openPrice": number(first),
        "highPrice": number(max(Decimal(row[2]) for row in rows)),
        "lowPrice": number(min(Decimal(row[3]) for row in rows)),
        "volume": number(traded),
        "quoteVolume": number(spent),
        "openTime": rows[0][0],
        "closeTime": rows[-1][6],
        "firstId": rows[0][0],
        "lastId": rows[-1][0],
        "count": len(rows),
    }
