"""Coinbase Advanced Trade."""

from __future__ import annotations

from datetime import date

from tidemill.ports.capabilities import NO_SANDBOX, OF_SYMBOL, Basis, Fact, VenueCall, VenueCapability, remembered

COINBASE = VenueCapability(
    exchange="coinbase",
    client_id_parameter="client_order_id",
    client_id_rule=remembered("a UUID"),
    client_id_pattern=r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    client_id_form="{uuid}",
    uniqueness=remembered("the first order is returned when repeated"),
    query_after_close=Fact(text="lists of orders, read through for our id", basis=Basis.MEASURED),
    deadline=None,
    # ccxt drops the unified clientOrderId here and sends a random one
    create=VenueCall(
        method="create_order",
        path="/brokerage/orders",
        params={"client_order_id": "{id}"},
        carries={"client_order_id": "{id}"},
    ),
    queries=(
        VenueCall(
            method="fetch_orders",
            path="/brokerage/orders/historical/batch",
            arguments=OF_SYMBOL,
            carries={"product_id": "{raw_symbol}"},
        ),
    ),
    cancel=VenueCall(
        method="cancel_order",
        path="/brokerage/orders/batch_cancel",
        arguments={"id": "{venue_id}", "symbol": "{symbol}"},
        carries={"order_ids": "{venue_id}"},
    ),
    sources="ccxt's requests intercepted; the rest from memory",
    amounts=("base_size", "limit_price"),
    gaps=("ccxt can neither query nor cancel by client order id", NO_SANDBOX),
    intercepted=date(2026, 11, 24),
)
