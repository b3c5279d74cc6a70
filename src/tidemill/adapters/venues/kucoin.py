"""KuCoin spot, high-frequency orders."""

from __future__ import annotations

from datetime import date

from tidemill.ports.capabilities import (
    BY_ORDER,
    NO_SANDBOX,
    UNIFIED,
    VenueCall,
    VenueCapability,
    documented,
    remembered,
)

BY_ID = UNIFIED | {"hf": True}

KUCOIN = VenueCapability(
    exchange="kucoin",
    client_id_parameter="clientOid",
    client_id_rule=remembered("1 to 40 of letters, digits, - and _"),
    client_id_pattern=r"[a-zA-Z0-9_-]{1,40}",
    uniqueness=documented("400100 clientOidDuplicated when repeated"),
    query_after_close=remembered("by client order id"),
    # thought to refuse a KC-API-TIMESTAMP older than five seconds, which is signed as recorded for that reason
    deadline=None,
    create=VenueCall(
        method="create_order",
        path="/v1/hf/orders",
        params=BY_ID,
        carries={"clientOid": "{id}", "KC-API-TIMESTAMP": "{sent_ms}"},
    ),
    queries=(
        VenueCall(
            method="fetch_order",
            path="/hf/orders/client-order/{id}",
            arguments=BY_ORDER,
            params=BY_ID,
            carries={"path": "{id}"},
        ),
    ),
    cancel=VenueCall(
        method="cancel_order",
        path="/hf/orders/client-order/{id}",
        arguments=BY_ORDER,
        params=BY_ID,
        carries={"path": "{id}"},
    ),
    sources="an issue of Kucoin.Net; ccxt's requests intercepted; the rest from memory",
    signs_with_clock=True,
    amounts=("size", "price"),
    # asked of the account otherwise, before each order
    options={"uta": False},
    gaps=(NO_SANDBOX,),
    intercepted=date(2026, 11, 24),
)
