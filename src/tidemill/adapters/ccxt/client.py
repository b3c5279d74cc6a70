"""Clients for market data: which kind of market, at whose pace, and how a market is found."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tidemill.adapters.ccxt._pages import KlineText, who_listens
from tidemill.adapters.ccxt._untyped import Answer, ExchangeClass, ExchangeClient
from tidemill.adapters.ccxt.calls import ONCE, Caller, Patience
from tidemill.adapters.ccxt.exchange import Connection, build_exchange, unified_symbol
from tidemill.adapters.pacing import SharedBudget, retry_after
from tidemill.domain.budgets import BudgetRule
from tidemill.domain.series import SeriesError, SeriesState
from tidemill.ports import Clock, RateBudgets, Sleep

Kind = Literal["spot", "linear"]
SMALLEST_PAGE = 100
TELLS_WHEN = frozenset({418, 429, 503})


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPace:
    """The budget of one venue that all processes draw from.

    ``rule`` None: the pace that ccxt has for the exchange, times ``share``.
    """

    budgets: RateBudgets
    owner: str
    clock: Clock
    rule: BudgetRule | None = None
    share: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketAccess:
    """How a source reaches its venue: spot or linear perpetuals, alone or at a shared pace, how patiently."""

    kind: Kind = "spot"
    pace: SharedPace | None = None
    patience: Patience = ONCE
    sleep: Sleep = time.sleep


def build_caller(
    exchange_id: str,
    venue: str,
    *,
    rest_url: str,
    timeout_seconds: float,
    access: MarketAccess,
    ws_url: str = "",
    streaming: bool = False,
) -> tuple[ExchangeClient, Caller]:
    """A ccxt client and what runs its requests."""
    exchange = build_exchange(
        exchange_id,
        Connection(rest_url=rest_url, ws_url=ws_url, timeout_seconds=timeout_seconds),
        options=_options(exchange_id, access.kind),
        adapt=(lambda base: _telling(_patient(base))) if streaming else _patient,
        streaming=streaming,
    )
    budget = _budget(exchange, venue, access.pace)
    if budget is not None:
        exchange.enableRateLimit = True
        exchange.shared_budget = budget
    caller = Caller(
        exchange,
        venue,
        timeout_seconds=timeout_seconds,
        sleep=access.sleep,
        budget=budget,
        patience=access.patience,
    )
    return exchange, caller


def _options(exchange_id: str, kind: Kind) -> dict[str, Any]:
    if kind == "spot":
        return {}
    types = ["swap"] if exchange_id == "okx" else ["linear"]
    return {"defaultType": "swap", "fetchMarkets": {"types": types}}


def _budget(exchange: ExchangeClient, venue: str, pace: SharedPace | None) -> SharedBudget | None:
    if pace is None:
        return None
    rule = pace.rule or BudgetRule(per_second=pace.share * 1000 / exchange.rateLimit)
    return SharedBudget(pace.budgets, venue, rule, owner=pace.owner, clock=pace.clock)


def _patient(base: ExchangeClass) -> ExchangeClass:
    """The class that draws from a shared budget, if it has one, and tells each call what came of it alone."""

    class Patient(base):  # type: ignore[misc]
        shared_budget: SharedBudget | None = None

        async def throttle(self, cost: float | None = None) -> None:
            if self.shared_budget is None:
                await super().throttle(cost)
            else:
                await self.shared_budget.spend(1.0 if cost is None else float(cost))

        def on_rest_response(self, *parts: Any) -> Answer:
            body = super().on_rest_response(*parts)
            heard = who_listens()
            if heard is not None:
                heard.body = str(body)
            return body

        def on_json_response(self, text: str) -> Answer:
            heard = who_listens()
            as_text = heard is not None and heard.as_text and text.startswith("[[")
            return KlineText(text) if as_text else super().on_json_response(text)

        def handle_errors(
            self, code: object, reason: object, url: object, method: object, headers: object, *rest: Any
        ) -> Answer:
            heard = who_listens()
            if heard is not None and code in TELLS_WHEN:
                heard.wait_seconds = retry_after(headers)
            return super().handle_errors(code, reason, url, method, headers, *rest)

    return Patient


def _telling(base: ExchangeClass) -> ExchangeClass:
    """The class with ``on_text``, which hears each message of a stream once it was read."""

    class Telling(base):  # type: ignore[misc]
        on_text: Callable[[str], None] | None = None

        def client(self, url: object) -> Answer:
            """The WebSocket client of a URL, which tells each message once it was read."""
            is_open = url in (self.clients or {})
            connection = super().client(url)
            if not is_open:
                read = connection.handle_text_or_binary_message

                def read_and_tell(data: Answer) -> None:
                    read(data)
                    if self.on_text is not None:
                        self.on_text(data.decode(errors="replace") if isinstance(data, bytes) else str(data))

                connection.handle_text_or_binary_message = read_and_tell
            return connection

    return Telling


def is_offered(market: Mapping[str, Any], kind: Kind) -> bool:
    """Whether a market is of the chosen kind, traded now or before."""
    if kind == "spot":
        return bool(market.get("spot"))
    return bool(market.get("swap") and market.get("linear"))


def find_market(markets: Mapping[str, Any], instrument: str, venue: str, kind: Kind) -> Mapping[str, Any]:
    """The venue's market of an instrument; SeriesError when there is none, or when it is traded no more."""
    symbol = unified_symbol(instrument)
    market = markets.get(symbol if kind == "spot" else f"{symbol}:{symbol.rpartition('/')[2]}")
    if market is None:
        raise SeriesError(
            f"{instrument} is not traded at {venue}; check the instruments in the settings",
            state=SeriesState.UNKNOWN_SYMBOL,
        )
    if market.get("active") is False:
        raise SeriesError(
            f"{instrument} is traded no more at {venue}; its stored bars stay", state=SeriesState.DELISTED
        )
    return dict(market)


def need_timeframe(exchange: ExchangeClient, timeframe: str, venue: str) -> None:
    """SeriesError when the venue has no bars of ``timeframe``."""
    if timeframe not in (exchange.timeframes or {}):
        raise SeriesError(f"{venue} has no bars of {timeframe}", state=SeriesState.NO_TIMEFRAME)


def page_size(exchange: ExchangeClient, symbol: str) -> int:
    """Bars that the exchange gives at once, by ccxt's own table."""
    limit = exchange.feature_value(symbol, "fetchOHLCV", "limit")
    return int(limit) if limit else SMALLEST_PAGE
