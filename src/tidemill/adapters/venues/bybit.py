"""Bybit spot, v5."""

from __future__ import annotations

from datetime import date

from tidemill.ports.capabilities import BY_ORDER, OF_SYMBOL, VenueCall, VenueCapability, documented

BYBIT = VenueCapability(
    exchange="bybit",
    client_id_parameter="orderLinkId",
    client_id_rule=documented("1 to 36 of letters, digits, - and _"),
    client_id_pattern=r"[a-zA-Z0-9_-]{1,36}",
    uniqueness=documented("always; 110072 or 170141 when repeated"),
    query_after_close=documented("open list with the 500 newest that are done, lost at a restart, then the history"),
    deadline=documented("X-BAPI-TIMESTAMP + X-BAPI-RECV-WINDOW, which ccxt signs with its own clock"),
    create=VenueCall(
        method="create_order",
        path="/v5/order/create",
        params={"orderLinkId": "{id}"},
        carries={"orderLinkId": "{id}", "X-BAPI-TIMESTAMP": "{sent_ms}", "X-BAPI-RECV-WINDOW": "{window_ms}"},
    ),
    queries=tuple(
        VenueCall(
            method=method,
            path=path,
            arguments=OF_SYMBOL,
            params={"orderLinkId": "{id}"},
            carries={"orderLinkId": "{id}"},
        )
        for method, path in (
            ("fetch_open_orders", "/v5/order/realtime"),
            ("fetch_canceled_and_closed_orders", "/v5/order/history"),
        )
    ),
    cancel=VenueCall(
        method="cancel_order",
        path="/v5/order/cancel",
        arguments=BY_ORDER,
        params={"orderLinkId": "{id}"},
        carries={"orderLinkId": "{id}"},
    ),
    sources="Bybit's v5 documents; ccxt's requests intercepted",
    signs_with_clock=True,
    amounts=("qty", "price"),
    # asked of the account otherwise, before each order
    options={"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 6},
    gaps=("an order's creation is acknowledged before it is judged, so an ack proves no order",),
    intercepted=date(2026, 11, 24),
)
