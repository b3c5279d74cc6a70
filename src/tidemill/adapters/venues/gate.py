"""Gate spot."""

from __future__ import annotations

from datetime import date

from tidemill.ports.capabilities import NOT_KNOWN, VenueCall, VenueCapability, documented

BY_TEXT: dict[str, str | None] = {"id": "{id}", "symbol": "{symbol}"}

GATE = VenueCapability(
    exchange="gate",
    client_id_parameter="text",
    client_id_rule=documented("t- and 1 to 26 of letters, digits, -, _ and . (the venue takes 28, ccxt counts the t-)"),
    client_id_pattern=r"t-[a-zA-Z0-9_.-]{1,26}",
    client_id_form="t-{id}",
    uniqueness=NOT_KNOWN,
    query_after_close=documented("by our id only while it is pending, then by the venue's id alone"),
    deadline=documented("x-gate-exptime header, which ccxt does not set by itself"),
    create=VenueCall(
        method="create_order",
        path="/spot/orders",
        params={"text": "{id}"},
        carries={"text": "{id}", "x-gate-exptime": "{until_ms}"},
    ),
    queries=(VenueCall(method="fetch_order", path="/spot/orders/{id}", arguments=BY_TEXT, carries={"path": "{id}"}),),
    # by clientOrderId ccxt would ask for the path .../None
    cancel=VenueCall(method="cancel_order", path="/spot/orders/{id}", arguments=BY_TEXT, carries={"path": "{id}"}),
    sources="gateapi-python's documents; ccxt's requests intercepted",
    headers={"x-gate-exptime": "{until_ms}"},
    amounts=("amount", "price"),
    # asked of the account otherwise, before each order
    options={"unifiedAccount": False},
    gaps=("an order that is finished cannot be found by our id",),
    intercepted=date(2026, 11, 24),
)
