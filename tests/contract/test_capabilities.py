"""Every venue's row against the request that the real client would send."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest
from support.intercepting import INTENT, REQUEST, SENT_AT, Intercepted, Stopped

from tidemill.adapters.ccxt._orders import NotSent, Outgoing, check_outgoing, outgoing, send_order
from tidemill.adapters.ccxt.broker import CcxtBroker
from tidemill.adapters.ccxt.exchange import Connection
from tidemill.adapters.venues.capabilities import VenueCapability, capability
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import Instrument
from tidemill.domain.trading import OrderRequest

VENUES = ("binance", "bybit", "okx", "kraken", "coinbase", "kucoin", "gate", "bitget", "mexc")


def expected(row: VenueCapability, request: OrderRequest = REQUEST) -> dict[str, Outgoing]:
    order = outgoing(request, row)
    return {order.client_id: order}


@pytest.mark.parametrize("venue", VENUES)
def test_an_order_leaves_with_our_id_and_its_recorded_time(venue: str) -> None:
    client = Intercepted(capability(venue))
    fields = client.create()
    assert client.method == "POST"
    client.expect(client.row.create, fields)
    assert fields[client.row.client_id_parameter] == client.row.client_order_id(INTENT)
    quantity, price = (Decimal(fields[name]) for name in client.row.amounts)
    assert (quantity, price) == (Decimal("0.01"), Decimal("10000.5"))


@pytest.mark.parametrize("venue", VENUES)
def test_a_row_with_a_deadline_puts_it_into_the_order(venue: str) -> None:
    row = capability(venue)
    told = set(row.create.carries.values())
    by_window = {"{sent_ms}", "{window_ms}"} <= told
    by_time = bool({"{until_ms}", "{until_iso}"} & told)
    assert (by_window or by_time) is (row.deadline is not None)


@pytest.mark.parametrize("venue", VENUES)
def test_the_guard_lets_the_recorded_order_out_and_nothing_else(venue: str) -> None:
    row = capability(venue)
    fields = Intercepted(row).create()
    orders = expected(row)
    check_outgoing(orders, fields, row)
    for name in {row.client_id_parameter, *row.create.carries, *row.amounts}:
        with pytest.raises(NotSent, match="nothing was sent"):
            check_outgoing(orders, fields | {name: "7"}, row)
        with pytest.raises(NotSent, match="nothing was sent"):
            check_outgoing(orders, {key: value for key, value in fields.items() if key != name}, row)


@pytest.mark.parametrize("venue", VENUES)
def test_a_second_order_is_signed_with_its_own_time(venue: str) -> None:
    row = capability(venue)
    later = replace(REQUEST, sent_at=SENT_AT.replace(minute=14), window_ms=3000)
    fields = Intercepted(row).create(later)
    check_outgoing(expected(row, later), fields, row)


@pytest.mark.parametrize(
    ("venue", "number"), [(one, number) for one in VENUES for number in range(len(capability(one).queries))]
)
def test_a_query_asks_by_our_id(venue: str, number: int) -> None:
    client = Intercepted(capability(venue))
    call = client.row.queries[number]
    client.expect(call, client.call(call))
    assert call.by_client_id is (venue != "coinbase")


@pytest.mark.parametrize("venue", VENUES)
def test_a_cancel_names_our_id(venue: str) -> None:
    client = Intercepted(capability(venue))
    call = client.row.cancel
    client.expect(call, client.call(call))
    assert call.by_client_id is (venue != "coinbase")


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "kucoin", "bitget", "mexc"])
def test_questions_are_signed_with_the_clock(venue: str) -> None:
    fields = Intercepted(capability(venue))
    told = fields.call(fields.row.queries[0]).values()
    assert not any(value.startswith(("17000000", "2023-11-14")) for value in told)


# -- what ccxt does when it is called in any other way: the reason for each row's


def unified(client: Intercepted, method: str, **arguments: Any) -> dict[str, str]:
    return client.run(lambda exchange: getattr(exchange, method)(**arguments))


def test_coinbase_drops_the_unified_id() -> None:
    client = Intercepted(capability("coinbase"))
    order = {"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": "0.01", "price": "10000.5"}
    fields = unified(client, "create_order", **order, params={"clientOrderId": INTENT})
    assert fields["client_order_id"] != INTENT
    with pytest.raises(NotSent, match="which no intent recorded"):
        check_outgoing(expected(client.row), fields, client.row)


@pytest.mark.parametrize(
    ("venue", "method", "lost"),
    [
        ("coinbase", "fetch_order", lambda fields: fields["path"] == "None"),
        ("coinbase", "cancel_order", lambda fields: fields["order_ids"] == "None"),
        ("kraken", "fetch_order", lambda fields: fields["userref"] == INTENT and "cl_ord_id" not in fields),
        ("bybit", "cancel_order", lambda fields: "orderLinkId" not in fields),
        ("gate", "cancel_order", lambda fields: fields["path"] == "None"),
    ],
)
def test_where_the_unified_id_is_lost(venue: str, method: str, lost: Any) -> None:
    client = Intercepted(capability(venue))
    fields = unified(client, method, id=None, symbol="BTC/USDT", params={"clientOrderId": INTENT})
    assert lost(fields)


@pytest.mark.parametrize("venue", ["bybit", "bitget", "mexc", "kucoin"])
def test_without_the_recorded_clock_the_guard_stops_the_order(venue: str) -> None:
    row = capability(venue)
    fields = Intercepted(replace(row, signs_with_clock=False)).create()
    with pytest.raises(NotSent, match="recorded is 1700000000123"):
        check_outgoing(expected(row), fields, row)


def test_mexc_overwrites_a_time_given_as_param() -> None:
    row = capability("mexc")
    as_params = replace(row.create, params={**capability("binance").create.params})
    fields = Intercepted(replace(row, create=as_params, signs_with_clock=False)).create()
    assert fields["timestamp"] != "1700000000123"
    assert fields["recvWindow"] == "5000"


def test_bybit_finds_no_order_by_the_unified_id() -> None:
    client = Intercepted(capability("bybit"))
    asked = {"clientOrderId": INTENT, "acknowledged": True}
    fields = unified(client, "fetch_order", id=None, symbol="BTC/USDT", params=asked)
    assert "orderLinkId" not in fields


@pytest.mark.parametrize("venue", ["kucoin", "gate", "bitget"])
def test_without_its_options_the_client_asks_for_the_account_first(venue: str) -> None:
    client = Intercepted(replace(capability(venue), options={}))
    asyncio.run(
        client.watch(lambda exchange: send_order(exchange, client.row, "BTC/USDT", outgoing(REQUEST, client.row)))
    )
    assert client.row.create.path not in client.seen[0][1]


@pytest.mark.parametrize("venue", ["okx", "gate"])
def test_without_the_header_the_guard_stops_the_order(venue: str) -> None:
    row = capability(venue)
    fields = Intercepted(replace(row, headers={})).create()
    with pytest.raises(NotSent, match="recorded is 1700000004444"):
        check_outgoing(expected(row), fields, row)


@pytest.mark.parametrize("venue", VENUES)
def test_a_sandbox_that_ccxt_lacks_is_named(venue: str) -> None:
    known = getattr(ccxt, venue)().features["spot"]["sandbox"]
    assert ("ccxt knows no spot sandbox of it" in capability(venue).missing) is (not known)


# -- the broker is driven by the same rows


def open_broker(row: VenueCapability) -> CcxtBroker:
    instrument = Instrument(
        venue="X", base="BTC", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.00001")
    )
    return CcxtBroker(
        "binance",
        Connection(rest_url="", key="key", secret="secret"),
        venue="X",
        instruments=[instrument],
        capability=row,
    )


def test_the_broker_sends_what_the_row_says() -> None:
    row = capability("binance")
    broker = open_broker(row)
    client = Intercepted(row)
    broker._send = client.stop
    broker._exchange.fetch = broker._guarded_fetch
    try:
        assert broker.place_order(REQUEST).outcome == "unknown"
        for ask in (broker.fetch_order, broker.cancel_order):
            with pytest.raises(Stopped):
                ask("BTC-USDT.X", INTENT, None)
    finally:
        broker.close()
    calls = (row.create, row.queries[0], row.cancel)
    for call, (_, url, fields) in zip(calls, client.seen, strict=True):
        client.url = url
        client.expect(call, fields)


@pytest.mark.parametrize("venue", [one for one in VENUES if one != "binance"])
def test_the_broker_takes_no_venue_whose_answers_it_cannot_read(venue: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        open_broker(capability(venue))
