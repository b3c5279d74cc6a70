"""Orders and accounts of an exchange, or of the paper venue, through ccxt: sent once, judged by evidence."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tidemill.adapters.ccxt._answers import read_fill, read_order
from tidemill.adapters.ccxt._orders import (
    NotSent,
    Outgoing,
    check_outgoing,
    fill,
    millis,
    outgoing,
    read_outgoing,
    send_order,
    sign_as_recorded,
)
from tidemill.adapters.ccxt._outcomes import Evidence, judge, keep_body, venue_code
from tidemill.adapters.ccxt._untyped import Answer
from tidemill.adapters.ccxt.exchange import (
    GRACE_SECONDS,
    Connection,
    LoopThread,
    build_exchange,
    check_no_retries,
    unified_symbol,
)
from tidemill.domain.errors import ConfigurationError, TransientError
from tidemill.domain.market import Instrument
from tidemill.domain.portfolio import Balance
from tidemill.domain.trading import Fill, OrderRequest, Placement, VenueOrder
from tidemill.ports.capabilities import VenueCall, VenueCapability

log = logging.getLogger(__name__)
PAGE = 1000
NOT_FOUND_CODES = frozenset({-2013, -2011})


class CcxtBroker:
    """Both broker ports on one ccxt client that speaks Binance's spot protocol.

    ``venue`` is our name of it, ``instruments`` are all that may be traded, and ``capability`` is the row that says how
    an order is named, signed and queried there.
    """

    def __init__(
        self,
        exchange_id: str,
        connection: Connection,
        *,
        venue: str,
        instruments: Sequence[Instrument],
        capability: VenueCapability,
    ) -> None:
        if capability.answers != "binance spot":
            raise ConfigurationError(
                f"the broker cannot read what {exchange_id} answers; choose an exchange that speaks Binance's spot "
                "protocol, or write an adapter of its own"
            )
        self._venue = venue
        self._row = capability
        self._wait_seconds = connection.timeout_seconds + GRACE_SECONDS
        self._instruments = {unified_symbol(instrument.id): instrument for instrument in instruments}
        self._by_raw = {instrument.base + instrument.quote: instrument for instrument in instruments}
        self._loop = LoopThread(f"{exchange_id} orders")
        self._exchange = build_exchange(exchange_id, connection, exact=True, options=capability.options)
        # orders on their way, by client order id on the wire: several may be sent at once
        self._expected: dict[str, Outgoing] = {}
        self._left: set[str] = set()
        self._send = self._exchange.fetch
        self._exchange.fetch = self._guarded_fetch
        keep_body(self._exchange)
        sign_as_recorded(self._exchange, capability)

    def place_order(self, request: OrderRequest) -> Placement:
        """Send once; ConfigurationError when the guard stops a request: then nothing was sent."""
        check_no_retries(self._exchange)
        order = outgoing(request, self._row)
        answer: Answer = None
        failure: BaseException | None = None
        try:
            answer = self._loop.run(self._create(order), self._wait_seconds)
        except NotSent as error:
            raise ConfigurationError(str(error)) from error
        except Exception as error:  # noqa: BLE001 -- whatever happened, only the evidence counts
            failure = error
        name = order.client_id
        return self._judged(Evidence(client_order_id=name, left=name in self._left, answer=answer, failure=failure))

    def _judged(self, evidence: Evidence) -> Placement:
        self._left.discard(evidence.client_order_id)
        judged = judge(evidence)
        if judged.outcome != "acked":
            return Placement(outcome=judged.outcome, evidence=judged.text)
        order = self._to_order(evidence.answer)
        return Placement(outcome="acked", evidence=f"order {order.venue_order_id} is {order.state}", order=order)

    def cancel_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """Cancel by the venue's id once that is known, else by ours; None when the venue has no such order."""
        return self._ask_for(self._row.cancel, instrument, client_order_id, venue_order_id)

    def fetch_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """Query by the venue's id once that is known, else by ours; None when the venue has no such order."""
        return self._ask_for(self._row.queries[0], instrument, client_order_id, venue_order_id)

    def fetch_open_orders(self, instruments: Sequence[str]) -> Sequence[VenueOrder]:
        """Orders that rest now, one request an instrument."""
        orders: list[VenueOrder] = []
        for instrument in instruments:
            answer = self._ask(self._exchange.private_get_openorders, self._raw(instrument))
            orders += [self._to_order(info) for info in answer or ()]
        return orders

    def fetch_orders(self, instrument: str, since: datetime) -> Sequence[VenueOrder]:
        """All orders since then, read page by page of order ids."""
        query = self._raw(instrument) | {"startTime": max(millis(since), 0), "limit": PAGE}
        orders: list[VenueOrder] = []
        while True:
            page = self._ask(self._exchange.private_get_allorders, query) or []
            orders += [self._to_order(info) for info in page]
            if len(page) < PAGE:
                return orders
            query = self._raw(instrument) | {"orderId": int(page[-1]["orderId"]) + 1, "limit": PAGE}

    def fetch_fills(self, instrument: str, after_trade_id: str | None) -> Sequence[Fill]:
        """Fills after that trade, read page by page of trade ids."""
        first = int(after_trade_id) + 1 if after_trade_id else 1
        fills: list[Fill] = []
        while True:
            query = self._raw(instrument) | {"fromId": first, "limit": PAGE}
            page = self._ask(self._exchange.private_get_mytrades, query) or []
            fills += [read_fill(instrument, info) for info in page]
            if len(page) < PAGE:
                return fills
            first = int(page[-1]["id"]) + 1

    def fetch_balances(self) -> Mapping[str, Balance]:
        """Every balance that is not zero, free and locked, in one request."""
        answer = self._ask(self._exchange.private_get_account, {"omitZeroBalances": "true"})
        balances = [
            Balance(asset=row["asset"], free=Decimal(row["free"]), locked=Decimal(row["locked"]))
            for row in (answer or {})["balances"]
        ]
        return {balance.asset: balance for balance in balances if balance.total}

    def close(self) -> None:
        """Close the client and its loop."""
        self._loop.run(self._exchange.close(), GRACE_SECONDS)
        self._loop.close()

    # -- sending

    async def _create(self, order: Outgoing) -> Answer:
        self._expected[order.client_id] = order
        try:
            return await send_order(self._exchange, self._row, unified_symbol(order.request.instrument), order)
        finally:
            del self._expected[order.client_id]

    async def _guarded_fetch(
        self, url: str, method: str = "GET", headers: Any = None, body: Answer = None, *more: Any
    ) -> Answer:
        """Let no order out that lacks the recorded client order id, send time, window, quantity or limit."""
        if method == "POST" and self._row.create.path in url:
            sent = read_outgoing(url, headers, body)
            check_outgoing(self._expected, sent, self._row)
            self._left.add(sent[self._row.client_id_parameter])
        return await self._send(url, method, headers, body, *more)

    # -- asking

    def _ask_for(self, call: VenueCall, instrument: str, our_id: str, known_id: str | None) -> VenueOrder | None:
        """One order by the venue's id once that is known, since a cancel may have replaced ours; else by ours."""
        market = self._raw(instrument)
        name = self._row.client_order_id(our_id)
        by_ours = fill(call.params, {"id": name, "raw_symbol": market["symbol"]})
        query = market | {"orderId": known_id} if known_id else by_ours
        answer = self._ask(getattr(self._exchange, call.method), query)
        return None if answer is None else self._to_order(answer)

    def _ask(self, method: Any, query: Mapping[str, Any]) -> Answer:
        """One signed request; None when the venue says there is no such order. TransientError without an answer."""
        import ccxt

        async def work() -> Answer:
            return await method(dict(query))

        try:
            answer = self._loop.run(work(), self._wait_seconds)
        except ccxt.AuthenticationError as error:
            raise ConfigurationError(f"{self._venue} refused the key: {str(error)[:200]}") from error
        except (ccxt.BaseError, TimeoutError) as error:
            if venue_code(error) in NOT_FOUND_CODES:
                return None
            raise TransientError(f"{self._venue} does not answer: {type(error).__name__} {str(error)[:200]}") from error
        if not isinstance(answer, (dict, list)):
            # ccxt hands a page of HTML, half a JSON or nothing on as if it were an answer
            raise TransientError(f"{self._venue} answers with something that is no JSON: {str(answer)[:60]!r}")
        return answer

    # -- translating

    def _raw(self, instrument: str) -> dict[str, Any]:
        traded = self._instruments.get(unified_symbol(instrument))
        if traded is None:
            raise ConfigurationError(f"{instrument} is not among the instruments of this broker")
        return {"symbol": traded.base + traded.quote}

    def _to_order(self, info: Mapping[str, Any]) -> VenueOrder:
        return read_order(self._by_raw[info["symbol"]].id, info)
