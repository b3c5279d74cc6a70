"""An order in the words of Binance's spot protocol, exactly as it is recorded: no market list, no rounding between.

ccxt's unified call needs every market of the venue first, and formats amounts anew; this one needs neither, so a
process that has just started can send, and what leaves is the ledger's own decimal.
"""

from __future__ import annotations

from tidemill.domain.trading import OrderRequest, OrderType

TYPES = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT_MAKER: "LIMIT_MAKER",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
TIMED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})


def order_fields(raw_symbol: str, request: OrderRequest) -> dict[str, str]:
    """The request's fields but for id, time and window, which the venue's row adds.

    Quantity in base units, prices in quote units, as plain decimals without exponent. A market order has no price:
    with one it would become an order over a quote amount.
    """
    fields = {
        "symbol": raw_symbol,
        "side": str(request.side),
        "type": TYPES[request.order_type],
        "quantity": format(request.quantity, "f"),
        "newOrderRespType": "FULL",
    }
    if request.limit_price is not None and request.order_type is not OrderType.MARKET:
        fields["price"] = format(request.limit_price, "f")
    if request.order_type in TIMED:
        fields["timeInForce"] = str(request.time_in_force)
    if request.stop_price is not None:
        fields["stopPrice"] = format(request.stop_price, "f")
    return fields
