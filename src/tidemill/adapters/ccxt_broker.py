"""Orders and accounts of an exchange, or of the paper venue, through ccxt: sent once, judged by evidence."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from tidemill.adapters._ccxt import GRACE_SECONDS, LoopThread, build_exchange, check_no_retries, unified_symbol
from tidemill.adapters._ccxt_outcomes import is_acknowledged, judge_failure, keep_body, venue_code
from tidemill.adapters.capabilities import VenueCapability
from tidemill.domain.errors import ConfigurationError, TransientError
from tidemill.domain.market import Instrument, from_micros, to_micros
from tidemill.domain.portfolio import Balance
from tidemill.domain.trading import (
    Fill,
    OrderRequest,
    OrderState,
    OrderType,
    Placement,
    Side,
    VenueOrder,
)
from tidemill.ports import Clock

log = logging.getLogger(__name__)
PAGE = 1000
NOT_FOUND_CODES = frozenset({-2013, -2011})
STATES = {
    "NEW": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PARTLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "PENDING_CANCEL": OrderState.OPEN,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}


class NotSent(Exception):
    """The guard stopped a request before it left."""


class CcxtBroker:
    """Both broker ports on one ccxt client that speaks Binance's spot protocol."""

    def __init__(
        self,
        exchange_id: str,
        *,
        venue: str,
        rest_url: str,
        key: str,
        secret: str,
        instruments: Sequence[Instrument],
        wall_clock: Clock,
        capability: VenueCapability,
        timeout_seconds: float = 10.0,
    ) -> None:
        if "timestamp" not in capability.deadline:
            raise ConfigurationError(f"orders at {exchange_id} cannot be signed with their stored send time yet")
        self._venue = venue
        self._wall = wall_clock
        self._timeout = timeout_seconds
        self._instruments = {unified_symbol(one.id): one for one in instruments}
        self._by_raw = {one.base + one.quote: one for one in instruments}
        self._thread = LoopThread(f"ccxt broker {exchange_id}")
        self._exchange = build_exchange(
            exchange_id, rest_url=rest_url, key=key, secret=secret, exact=True, timeout_seconds=timeout_seconds
        )
        # orders on their way, by client order id: several may be sent at once
        self._expected: dict[str, OrderRequest] = {}
        self._send = self._exchange.fetch
        self._exchange.fetch = self._guarded_fetch
        keep_body(self._exchange)

    def place_order(self, request: OrderRequest) -> Placement:
        """See the port. ConfigurationError when the guard stops a request: then nothing was sent."""
        check_no_retries(self._exchange)
        try:
            answer = self._thread.run(self._create(request), self._timeout + GRACE_SECONDS)
        except NotSent as error:
            raise ConfigurationError(str(error)) from error
        except Exception as error:  # noqa: BLE001 -- whatever happened, only the evidence counts
            outcome, evidence = judge_failure(error)
            return Placement(outcome=outcome, evidence=evidence)
        if not is_acknowledged(answer, request.client_order_id):
            return Placement(outcome="unknown", evidence=f"an answer without both ids: {str(answer)[:200]}")
        order = self._to_order(answer["info"])
        return Placement(outcome="acked", evidence=f"order {order.venue_order_id} is {order.state}", order=order)

    def cancel_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """See the port."""
        market = self._raw(instrument)
        answer = self._ask(self._exchange.private_delete_order, market | _identity(client_order_id, venue_order_id))
        return None if answer is None else self._to_order(answer)

    def fetch_order(self, instrument: str, client_order_id: str, venue_order_id: str | None) -> VenueOrder | None:
        """See the port."""
        market = self._raw(instrument)
        answer = self._ask(self._exchange.private_get_order, market | _identity(client_order_id, venue_order_id))
        return None if answer is None else self._to_order(answer)

    def fetch_open_orders(self, instruments: Sequence[str]) -> Sequence[VenueOrder]:
        """See the port."""
        found: list[VenueOrder] = []
        for instrument in instruments:
            answer = self._ask(self._exchange.private_get_openorders, self._raw(instrument))
            found += [self._to_order(one) for one in answer or ()]
        return found

    def fetch_orders(self, instrument: str, since: datetime) -> Sequence[VenueOrder]:
        """See the port; paged by order id."""
        query = self._raw(instrument) | {"startTime": max(to_micros(since) // 1000, 0), "limit": PAGE}
        found: list[VenueOrder] = []
        while True:
            page = self._ask(self._exchange.private_get_allorders, query) or []
            found += [self._to_order(one) for one in page]
            if len(page) < PAGE:
                return found
            query = self._raw(instrument) | {"orderId": int(page[-1]["orderId"]) + 1, "limit": PAGE}

    def fetch_fills(self, instrument: str, after_trade_id: str | None) -> Sequence[Fill]:
        """See the port; paged by trade id."""
        first = int(after_trade_id) + 1 if after_trade_id else 1
        found: list[Fill] = []
        while True:
            query = self._raw(instrument) | {"fromId": first, "limit": PAGE}
            page = self._ask(self._exchange.private_get_mytrades, query) or []
            found += [self._to_fill(instrument, one) for one in page]
            if len(page) < PAGE:
                return found
            first = int(page[-1]["id"]) + 1

    def fetch_balances(self) -> Mapping[str, Balance]:
        """See the port."""
        answer = self._ask(self._exchange.private_get_account, {"omitZeroBalances": "true"})
        rows = [
            Balance(asset=one["asset"], free=Decimal(one["free"]), locked=Decimal(one["locked"]))
            for one in (answer or {})["balances"]
        ]
        return {one.asset: one for one in rows if one.total}

    def close(self) -> None:
        """Close the client and its thread."""
        self._thread.run(self._exchange.close(), GRACE_SECONDS)
        self._thread.close()

    # -- sending

    async def _create(self, request: OrderRequest) -> Any:
        if not self._exchange.markets:
            await self._exchange.load_markets()
        self._expected[request.client_order_id] = request
        try:
            return await self._exchange.create_order(
                unified_symbol(request.instrument),
                "market" if request.order_type is OrderType.MARKET else "limit",
                str(request.side).lower(),
                format(request.quantity, "f"),
                # a market order with a price would become an order over a quote amount
                None if request.limit_price is None else format(request.limit_price, "f"),
                _order_params(request),
            )
        finally:
            del self._expected[request.client_order_id]

    async def _guarded_fetch(
        self, url: str, method: str = "GET", headers: Any = None, body: Any = None, *more: Any
    ) -> Any:
        """Let no order out that lacks the recorded client order id, send time, window, quantity or limit."""
        if method == "POST" and "/order" in url.rpartition("/api/")[2]:
            check_outgoing(self._expected, str(body or "") + "&" + url.partition("?")[2])
        return await self._send(url, method, headers, body, *more)

    def _ask(self, method: Any, query: Mapping[str, Any]) -> Any:
        """One signed question; None when the venue says there is no such order. TransientError otherwise."""
        import ccxt

        async def work() -> Any:
            return await method(dict(query))

        try:
            answer = self._thread.run(work(), self._timeout + GRACE_SECONDS)
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
        known = self._instruments.get(unified_symbol(instrument))
        if known is None:
            raise ConfigurationError(f"{instrument} is not among the instruments of this broker")
        return {"symbol": known.base + known.quote}

    def _to_order(self, info: Mapping[str, Any]) -> VenueOrder:
        price = Decimal(info["price"])
        millis = int(info.get("time") or info.get("transactTime") or 0)
        return VenueOrder(
            venue_order_id=str(info["orderId"]),
            client_order_id=str(info.get("origClientOrderId") or info["clientOrderId"]),
            instrument=self._by_raw[info["symbol"]].id,
            side=Side(info["side"]),
            state=STATES[info["status"]],
            quantity=Decimal(info["origQty"]),
            filled=Decimal(info["executedQty"]),
            limit_price=price or None,
            placed_at=from_micros(millis * 1000),
        )

    def _to_fill(self, instrument: str, info: Mapping[str, Any]) -> Fill:
        return Fill(
            trade_id=str(info["id"]),
            venue_order_id=str(info["orderId"]),
            instrument=instrument,
            side=Side.BUY if info["isBuyer"] else Side.SELL,
            price=Decimal(info["price"]),
            quantity=Decimal(info["qty"]),
            fee=Decimal(info["commission"]),
            fee_asset=str(info["commissionAsset"]),
            traded_at=from_micros(int(info["time"]) * 1000),
        )


def _identity(client_order_id: str, venue_order_id: str | None) -> dict[str, str]:
    """The venue's id once it is known: a cancel may have replaced ours."""
    return {"orderId": venue_order_id} if venue_order_id else {"origClientOrderId": client_order_id}


def _millis(moment: datetime) -> int:
    return to_micros(moment) // 1000


def _order_params(request: OrderRequest) -> dict[str, Any]:
    params: dict[str, Any] = {
        "clientOrderId": request.client_order_id,
        "timestamp": _millis(request.sent_at),
        "recvWindow": request.window_ms,
    }
    if request.order_type is OrderType.LIMIT_MAKER:
        return params | {"postOnly": True}
    if request.order_type is not OrderType.MARKET:
        params["timeInForce"] = str(request.time_in_force)
    if request.order_type is OrderType.STOP_LIMIT:
        params["stopPrice"] = format(request.stop_price or Decimal(0), "f")
    return params


def check_outgoing(orders: Mapping[str, OrderRequest], text: str) -> None:
    """Raise NotSent unless the outgoing text is exactly one of the recorded orders."""
    sent = {name: values[0] for name, values in parse_qs(text).items()}
    expected = orders.get(sent.get("newClientOrderId", ""))
    if expected is None:
        told = sent.get("newClientOrderId")
        raise NotSent(f"the outgoing order has client order id {told}, which no intent recorded; nothing was sent")
    wanted = {
        "timestamp": str(_millis(expected.sent_at)),
        "recvWindow": str(expected.window_ms),
    }
    for name, value in wanted.items():
        if sent.get(name) != value:
            raise NotSent(f"the outgoing order has {name}={sent.get(name)}, recorded is {value}; nothing was sent")
    amounts = {"quantity": expected.quantity, "price": expected.limit_price}
    for name, amount in amounts.items():
        if amount is not None and Decimal(sent.get(name, "NaN")) != amount:
            raise NotSent(f"the outgoing order has {name}={sent.get(name)}, recorded is {amount}; nothing was sent")
