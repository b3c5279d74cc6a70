"""Every venue's row against the request that the real client would send."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters._ccxt import build_exchange
from tidemill.adapters._ccxt_orders import (
    NotSent,
    check_outgoing,
    fill,
    read_outgoing,
    run_call,
    send_order,
    sign_as_recorded,
    values_of,
)
from tidemill.adapters.capabilities import (
    CAPABILITIES,
    Basis,
    CcxtCall,
    Known,
    VenueCapability,
    capability,
    check_live,
)
from tidemill.adapters.ccxt_broker import CcxtBroker
from tidemill.adapters.clocks import WallClock
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import Instrument
from tidemill.domain.trading import OrderRequest, OrderType, Side, TimeInForce, intent_id

VENUES = ("binance", "bybit", "okx", "kraken", "coinbase", "kucoin", "gate", "bitget", "mexc")
ROWS = tuple(CAPABILITIES.values())
INTENT = intent_id(account="a", strategy="s", instrument="i", as_of=datetime(2026, 1, 1, tzinfo=UTC), attempt=0, leg=0)
# long past, so that a time taken from a clock cannot be mistaken for the recorded one
SENT_AT = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
REQUEST = OrderRequest(
    client_order_id=INTENT,
    instrument="BTC-USDT.X",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.IOC,
    quantity=Decimal("0.01"),
    limit_price=Decimal("10000.5"),
    sent_at=SENT_AT,
    window_ms=4321,
)
RAW_SYMBOLS = {
    "okx": "BTC-USDT",
    "coinbase": "BTC-USDT",
    "kucoin": "BTC-USDT",
    "gate": "BTC_USDT",
    "kraken": "XBTUSDT",
}
PLACES = {"symbol": "BTC/USDT", "venue_id": "123456789"}


class Stopped(Exception):
    """The request was seen and goes no further."""


def market_of(venue: str) -> dict[str, Any]:
    """As little of a market as the nine clients need."""
    return {
        "id": RAW_SYMBOLS.get(venue, "BTCUSDT"),
        "symbol": "BTC/USDT",
        "base": "BTC",
        "quote": "USDT",
        "baseId": "BTC",
        "quoteId": "USDT",
        "type": "spot",
        "spot": True,
        "active": True,
        "precision": {"amount": "0.00001", "price": "0.01"},
        "limits": {"amount": {}, "price": {}, "cost": {}},
        "info": {"orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"], "altname": "XBTUSDT"},
    }


class Intercepted:
    """The real client of a venue, made ready as the broker does, whose requests end here."""

    def __init__(self, row: VenueCapability) -> None:
        self.row = row
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    def run(self, work: Any) -> dict[str, str]:
        """The fields of the one request that ``work`` makes of the client."""
        asyncio.run(self._run(work))
        ((self.method, self.url, fields),) = self.seen
        return fields

    async def _run(self, work: Any) -> None:
        exchange = build_exchange(
            self.row.exchange, rest_url="", key="key", secret="c2VjcmV0", exact=True, options=self.row.options
        )
        exchange.password = "words"
        exchange.set_markets([market_of(self.row.exchange)])
        exchange.fetch = self._stop
        sign_as_recorded(exchange, self.row)
        try:
            with pytest.raises(Stopped):
                await work(exchange)
        finally:
            await exchange.close()

    async def _stop(self, url: str, method: str = "GET", headers: Any = None, body: Any = None, *_more: Any) -> None:
        self.seen.append((method, url, read_outgoing(url, headers, body)))
        raise Stopped

    def create(self, request: OrderRequest = REQUEST) -> dict[str, str]:
        return self.run(lambda exchange: send_order(exchange, self.row, "BTC/USDT", request))

    def call(self, call: CcxtCall) -> dict[str, str]:
        return self.run(lambda exchange: run_call(exchange, call, self.values))

    @property
    def values(self) -> dict[str, str]:
        return values_of(REQUEST, self.row) | PLACES | {"raw_symbol": market_of(self.row.exchange)["id"]}

    def expect(self, call: CcxtCall, fields: dict[str, str]) -> None:
        wanted = fill(call.carries, self.values)
        assert {name: fields.get(name) for name in wanted} == wanted
        assert self.url.partition("?")[0].endswith(call.path.format_map(self.values))


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
    orders = {row.client_order_id(INTENT): REQUEST}
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
    check_outgoing({row.client_order_id(INTENT): later}, fields, row)


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
        check_outgoing({client.row.client_order_id(INTENT): REQUEST}, fields, client.row)


@pytest.mark.parametrize(
    ("venue", "method", "lost"),
    [
        ("coinbase", "fetch_order", lambda fields: fields["path"] == "None"),
        ("kraken", "fetch_order", lambda fields: "cl_ord_id" not in fields),
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
        check_outgoing({row.client_order_id(INTENT): REQUEST}, fields, row)


@pytest.mark.parametrize("venue", ["okx", "gate"])
def test_without_the_header_the_guard_stops_the_order(venue: str) -> None:
    row = capability(venue)
    fields = Intercepted(replace(row, headers={})).create()
    with pytest.raises(NotSent, match="recorded is 1700000004444"):
        check_outgoing({row.client_order_id(INTENT): REQUEST}, fields, row)


@pytest.mark.parametrize("venue", VENUES)
def test_a_sandbox_that_ccxt_lacks_is_named(venue: str) -> None:
    known = getattr(ccxt, venue)().features["spot"]["sandbox"]
    assert ("ccxt knows no spot sandbox of it" in capability(venue).missing) is (not known)


# -- client order ids


@given(
    account=st.text(max_size=40),
    strategy=st.text(max_size=20),
    as_of=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)),
    attempt=st.integers(0, 1000),
    leg=st.integers(0, 1000),
)
def test_every_intent_has_a_client_order_id_everywhere(
    account: str, strategy: str, as_of: datetime, attempt: int, leg: int
) -> None:
    identity = {"account": account, "strategy": strategy, "instrument": "BTC-USDT.X", "attempt": attempt}
    moment = as_of.replace(tzinfo=UTC)
    one = intent_id(**identity, as_of=moment, leg=leg)
    other = intent_id(**identity, as_of=moment, leg=leg + 1)
    for row in ROWS:
        assert row.client_order_id(one) == row.client_order_id(one)
        assert row.client_order_id(one) != row.client_order_id(other)
        # what ccxt takes for an id that has its prefix already
        assert row.client_id_form.startswith("t-") or not row.client_order_id(one).startswith("t")


@pytest.mark.parametrize("row", [row for row in ROWS if row.client_id_form != "{uuid}"], ids=lambda row: row.exchange)
@pytest.mark.parametrize("bad", ["", "x" * 65, "with space", "ä", "a\n", "a/b", "s1\n"])
def test_an_id_outside_the_rules_is_refused(row: VenueCapability, bad: str) -> None:
    with pytest.raises(ConfigurationError, match=f"does not fit {row.exchange}"):
        row.client_order_id(bad)


# -- live trading stays closed


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.exchange)
def test_live_is_refused_with_one_sentence_that_says_what_is_missing(row: VenueCapability) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_live(row.exchange)
    text = str(refused.value)
    assert text.startswith(f"live trading on {row.exchange} is refused: ")
    assert row.missing
    assert all(reason in text for reason in row.missing)
    assert "\n" not in text
    assert ". " not in text


OPEN = replace(capability("binance"), sandbox=datetime(2026, 12, 1).date())
MEMORY = Known(text="something", basis=Basis.MEMORY)


def test_a_row_opens_when_nothing_is_missing() -> None:
    assert OPEN.verified == OPEN.sandbox
    assert not OPEN.missing


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sandbox": None}, "have not passed on its sandbox"),
        ({"intercepted": None}, "never intercepted"),
        ({"deadline": None}, "no deadline parameter"),
        ({"deadline": MEMORY}, "from memory only"),
        ({"client_id_rule": MEMORY}, "from memory only"),
        ({"uniqueness": MEMORY}, "from memory only"),
        ({"query_after_close": Known(text="unknown", basis=Basis.UNKNOWN)}, "is unknown"),
        ({"answers": ""}, "does not read its answers"),
        ({"gaps": ("something is odd",)}, "something is odd"),
    ],
)
def test_one_thing_missing_closes_a_row(change: dict[str, Any], reason: str) -> None:
    row = replace(OPEN, **change)
    assert row.verified is None
    assert any(reason in one for one in row.missing)


# -- the broker is driven by the same rows


def open_broker(row: VenueCapability) -> CcxtBroker:
    instrument = Instrument(
        venue="X", base="BTC", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.00001")
    )
    return CcxtBroker(
        "binance",
        venue="X",
        rest_url="",
        key="key",
        secret="secret",
        instruments=[instrument],
        wall_clock=WallClock(),
        capability=row,
    )


def test_the_broker_sends_what_the_row_says() -> None:
    row = capability("binance")
    broker = open_broker(row)
    client = Intercepted(row)
    broker._send = client._stop
    broker._exchange.fetch = broker._guarded_fetch
    broker._exchange.set_markets([market_of("binance")])
    try:
        assert broker.place_order(REQUEST).outcome == "unknown"
        for ask in (broker.fetch_order, broker.cancel_order):
            with pytest.raises(Stopped):
                ask("BTC-USDT.X", INTENT, None)
    finally:
        broker.close()
    for call, (_, client.url, fields) in zip((row.create, row.queries[0], row.cancel), client.seen, strict=True):
        client.expect(call, fields)


@pytest.mark.parametrize("venue", [one for one in VENUES if one != "binance"])
def test_the_broker_takes_no_venue_whose_answers_it_cannot_read(venue: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        open_broker(capability(venue))
