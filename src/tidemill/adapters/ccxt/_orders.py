"""How an order leaves: called as the venue's row says, signed as recorded, and stopped if it is anything else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tidemill.adapters.ccxt._binance_order import order_fields
from tidemill.adapters.ccxt._untyped import Answer, ExchangeClient
from tidemill.domain.market import from_micros, to_micros
from tidemill.domain.trading import OrderRequest, OrderType
from tidemill.ports.capabilities import VenueCall, VenueCapability

# what fills the placeholders of the order that is on its way in this task
SENDING: ContextVar[Mapping[str, str] | None] = ContextVar("tidemill_sending", default=None)


class NotSent(Exception):
    """The guard stopped a request before it left."""


def values_of(request: OrderRequest, row: VenueCapability) -> dict[str, str]:
    """What the placeholders of a row stand for in one order."""
    sent_ms = millis(request.sent_at)
    until_ms = sent_ms + request.window_ms
    return {
        "id": row.client_order_id(request.client_order_id),
        "sent_ms": str(sent_ms),
        "window_ms": str(request.window_ms),
        "until_ms": str(until_ms),
        "until_iso": f"{from_micros(until_ms * 1000).isoformat(timespec='milliseconds')[:23]}Z",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One recorded order on its way: what the row's placeholders stand for in it, and what its request must carry."""

    request: OrderRequest
    values: Mapping[str, str]
    carries: Mapping[str, str]
    amounts: Mapping[str, Decimal]

    @property
    def client_id(self) -> str:
        """The client order id as it goes on the wire."""
        return self.values["id"]


def outgoing(request: OrderRequest, row: VenueCapability) -> Outgoing:
    """An order in the form that this venue takes; ConfigurationError when its id does not fit there."""
    values = values_of(request, row)
    amounts = zip(row.amounts, (request.quantity, request.limit_price), strict=True)
    carried = {name: amount for name, amount in amounts if amount is not None}
    return Outgoing(request=request, values=values, carries=fill(row.create.carries, values), amounts=carried)


def millis(moment: datetime) -> int:
    """Whole milliseconds since 1970, as venues write a time."""
    return to_micros(moment) // 1000


def fill(template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """A row's fields with their placeholders replaced."""
    return {name: value.format_map(values) if isinstance(value, str) else value for name, value in template.items()}


async def run_call(exchange: ExchangeClient, call: VenueCall, values: Mapping[str, str]) -> Answer:
    """Call ccxt as a row says."""
    arguments = fill(call.arguments, values)
    return await getattr(exchange, call.method)(**arguments, params=fill(call.params, values))


async def send_order(exchange: ExchangeClient, row: VenueCapability, symbol: str, order: Outgoing) -> Answer:
    """Send one order, once, through a client made ready by ``sign_as_recorded``."""
    request = order.request
    SENDING.set(order.values)
    create, params = getattr(exchange, row.create.method), fill(row.create.params, order.values)
    if row.answers == "binance spot":
        return await create(order_fields(symbol.replace("/", ""), request) | params)
    return await create(
        symbol,
        "market" if request.order_type is OrderType.MARKET else "limit",
        str(request.side).lower(),
        format(request.quantity, "f"),
        # a market order with a price would become an order over a quote amount
        None if request.limit_price is None else format(request.limit_price, "f"),
        params | _terms(request),
    )


def _terms(request: OrderRequest) -> dict[str, Any]:
    if request.order_type is OrderType.LIMIT_MAKER:
        return {"postOnly": True}
    terms = {} if request.order_type is OrderType.MARKET else {"timeInForce": str(request.time_in_force)}
    if request.order_type is OrderType.STOP_LIMIT:
        terms["stopPrice"] = format(request.stop_price or Decimal(0), "f")
    return terms


def sign_as_recorded(exchange: ExchangeClient, row: VenueCapability) -> None:
    """Make a client sign orders with their recorded time and window, where it would take its own clock's.

    Only a task that sends an order is concerned; everything else is signed as ever. Where time and window are params
    of the call, ccxt needs no help.
    """
    if not row.signs_with_clock and not row.headers:
        return
    sign, nonce = exchange.sign, exchange.nonce

    def recorded_nonce() -> Answer:
        values = SENDING.get()
        return int(values["sent_ms"]) if values and row.signs_with_clock else nonce()

    def recorded_sign(*args: Any, **named: Any) -> Answer:
        values = SENDING.get()
        if values is None:
            return sign(*args, **named)
        own_window = exchange.options.get("recvWindow")
        if row.signs_with_clock:
            exchange.options["recvWindow"] = int(values["window_ms"])
        try:
            signed = sign(*args, **named)
        finally:
            exchange.options["recvWindow"] = own_window
        return signed | {"headers": dict(signed.get("headers") or {}) | fill(row.headers, values)}

    exchange.nonce = recorded_nonce
    exchange.sign = recorded_sign


def read_outgoing(url: str, headers: Any, body: Answer) -> dict[str, str]:
    """Every field of a request by its name: headers, query, form or JSON body, and the last part of the path."""
    address = urlsplit(url)
    fields = {str(name): str(value) for name, value in dict(headers or {}).items()}
    fields |= _form(address.query)
    text = body.decode() if isinstance(body, bytes) else str(body or "")
    fields |= dict(_leaves(json.loads(text))) if text[:1] in {"{", "["} else _form(text)
    return fields | {"path": unquote(address.path.rpartition("/")[2])}


def _form(text: str) -> dict[str, str]:
    """The fields of a query; one in which nothing is escaped needs no parser."""
    if "%" in text or "+" in text or not text:
        return dict(parse_qsl(text))
    pairs = (pair.partition("=") for pair in text.split("&"))
    return {name: value for name, _, value in pairs if value}


def _leaves(value: Answer, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for inner_name, inner in value.items():
            yield from _leaves(inner, inner_name)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    else:
        yield name, str(value)


def check_outgoing(orders: Mapping[str, Outgoing], sent: Mapping[str, str], row: VenueCapability) -> None:
    """Raise NotSent unless the outgoing fields are exactly one of the recorded orders, by its id on the wire."""
    client_id = sent.get(row.client_id_parameter)
    expected = orders.get(client_id or "")
    if expected is None:
        raise NotSent(f"the outgoing order has client order id {client_id}, which no intent recorded; nothing was sent")
    for name, value in expected.carries.items():
        if sent.get(name) != value:
            raise NotSent(f"the outgoing order has {name}={sent.get(name)}, recorded is {value}; nothing was sent")
    for name, amount in expected.amounts.items():
        if _decimal(sent.get(name)) != amount:
            raise NotSent(f"the outgoing order has {name}={sent.get(name)}, recorded is {amount}; nothing was sent")


def _decimal(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None
