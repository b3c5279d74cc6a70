"""OKX spot, v5."""

from __future__ import annotations

from datetime import date

from tidemill.ports.capabilities import BY_ORDER, UNIFIED, VenueCall, VenueCapability, documented

OKX = VenueCapability(
    exchange="okx",
    client_id_parameter="clOrdId",
    client_id_rule=documented("1 to 32 letters and digits"),
    client_id_pattern=r"[a-zA-Z0-9]{1,32}",
    uniqueness=documented("51016 when repeated, yet an id may belong to several orders and the latest is returned"),
    query_after_close=documented("by client order id; a cancelled order without a fill for two hours"),
    deadline=documented("expTime header, which ccxt does not set by itself"),
    create=VenueCall(
        method="create_order",
        path="/trade/batch-orders",
        params=UNIFIED,
        carries={"clOrdId": "{id}", "expTime": "{until_ms}"},
    ),
    queries=(
        VenueCall(
            method="fetch_order",
            path="/trade/order",
            arguments=BY_ORDER,
            params=UNIFIED,
            carries={"clOrdId": "{id}"},
        ),
    ),
    cancel=VenueCall(
        method="cancel_order",
        path="/trade/cancel-order",
        arguments=BY_ORDER,
        params=UNIFIED,
        carries={"clOrdId": "{id}"},
    ),
    sources="OKX's v5 documents; ccxt's requests intercepted",
    headers={"expTime": "{until_ms}"},
    amounts=("sz", "px"),
    intercepted=date(2026, 11, 24),
)
