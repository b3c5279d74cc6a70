"""MEXC spot, v3."""

from __future__ import annotations

from datetime import date

from tidemill.ports.capabilities import BY_ORDER, NO_SANDBOX, NOT_KNOWN, UNIFIED, VenueCall, VenueCapability, remembered

MEXC = VenueCapability(
    exchange="mexc",
    client_id_parameter="newClientOrderId",
    client_id_rule=remembered("1 to 32 of letters, digits, - and _"),
    client_id_pattern=r"[a-zA-Z0-9_-]{1,32}",
    uniqueness=NOT_KNOWN,
    query_after_close=NOT_KNOWN,
    deadline=remembered("timestamp + recvWindow, where ccxt overwrites both with its own clock and option"),
    create=VenueCall(
        method="create_order",
        path="/api/v3/order",
        params=UNIFIED,
        carries={"newClientOrderId": "{id}", "timestamp": "{sent_ms}", "recvWindow": "{window_ms}"},
    ),
    queries=(
        VenueCall(
            method="fetch_order",
            path="/api/v3/order",
            arguments=BY_ORDER,
            params=UNIFIED,
            carries={"origClientOrderId": "{id}"},
        ),
    ),
    cancel=VenueCall(
        method="cancel_order",
        path="/api/v3/order",
        arguments=BY_ORDER,
        params=UNIFIED,
        carries={"origClientOrderId": "{id}"},
    ),
    sources="ccxt's requests intercepted; the rest from memory",
    signs_with_clock=True,
    gaps=(NO_SANDBOX,),
    intercepted=date(2026, 11, 24),
)
