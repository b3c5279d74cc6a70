"""Bitget spot, v2."""

from __future__ import annotations

from datetime import date

from tidemill.ports.capabilities import BY_ORDER, NOT_KNOWN, UNIFIED, VenueCall, VenueCapability, documented, remembered

BITGET = VenueCapability(
    exchange="bitget",
    client_id_parameter="clientOid",
    client_id_rule=remembered("1 to 64 of letters, digits, - and _"),
    client_id_pattern=r"[a-zA-Z0-9_-]{1,64}",
    uniqueness=NOT_KNOWN,
    query_after_close=documented("by client order id for unfilled orders only"),
    deadline=documented("requestTime + receiveWindow in the body; the header is signed with ccxt's own clock"),
    create=VenueCall(
        method="create_order",
        path="/spot/trade/place-order",
        params=UNIFIED | {"requestTime": "{sent_ms}", "receiveWindow": "{window_ms}"},
        carries={
            "clientOid": "{id}",
            "requestTime": "{sent_ms}",
            "receiveWindow": "{window_ms}",
            "ACCESS-TIMESTAMP": "{sent_ms}",
        },
    ),
    queries=(
        VenueCall(
            method="fetch_order",
            path="/spot/trade/orderInfo",
            arguments=BY_ORDER,
            params=UNIFIED,
            carries={"clientOid": "{id}"},
        ),
    ),
    cancel=VenueCall(
        method="cancel_order",
        path="/spot/trade/cancel-order",
        arguments=BY_ORDER,
        params=UNIFIED,
        carries={"clientOid": "{id}"},
    ),
    sources="Bitget's v2 documents; ccxt's requests intercepted; the rest from memory",
    signs_with_clock=True,
    amounts=("size", "price"),
    # asked of the account otherwise, before each order
    options={"uta": False},
    gaps=(
        "a filled order cannot be found by our id",
        "ccxt writes a time in force in capitals where the venue documents small letters",
    ),
    intercepted=date(2026, 11, 24),
)
