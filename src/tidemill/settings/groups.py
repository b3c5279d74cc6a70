"""The groups of settings: one frozen class each, every field with what it means."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from tidemill.domain.market_events import MarketEventKind


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VenueSettings(_Group):
    """How to reach the venue that takes the orders."""

    name: str = Field("BINANCE", description="venue part of the instrument ids")
    exchange: str = Field("binance", description="ccxt's id of the protocol spoken")
    rest_url: str = Field("", description="base URL of the paper venue; empty: the exchange's own")
    ws_url: str = Field("", description="WebSocket URL of the paper venue; empty: the exchange's own")
    budget_per_minute: float | None = Field(
        None, ge=0, description="cost units all processes together may spend; empty: 80% of ccxt's pace; 0: no limit"
    )
    admin_url: str = Field("", description="admin URL of the paper venue, asked for the market clock in a replay")
    key: SecretStr = Field(SecretStr(""), description="API key")
    secret: SecretStr = Field(SecretStr(""), description="API secret")


class MarketSettings(_Group):
    """One more venue that market data come from; nothing is traded there."""

    name: str = Field(description="venue part of the instrument ids")
    source: Literal["ccxt", "yfinance", "alpha_vantage"] = "ccxt"
    exchange: str = Field("", description="ccxt's id of the exchange")
    kind: Literal["spot", "linear"] = Field("spot", description="spot markets, or linear perpetuals")
    instruments: tuple[str, ...] = ()
    timeframes: tuple[str, ...] = Field((), description="empty: the timeframe that is decided on")
    calendar: str = Field("24x7", description="24x7, or a code of exchange_calendars such as XNYS")
    records: tuple[MarketEventKind, ...] = Field(
        (), description="of its instruments: trades, books, funding, open_interest, adjustments"
    )
    rest_url: str = Field("", description="sends every request here instead of the venue's own host")
    ws_url: str = Field("", description="joins every stream here instead; needs rest_url")
    key_variable: str = Field("ALPHA_VANTAGE_KEY", description="environment variable with the key, where one is needed")
    budget_per_minute: float | None = Field(
        None, ge=0, description="as of the venue that takes the orders; empty: yfinance 60, alpha_vantage 5"
    )


class IngestSettings(_Group):
    """What is kept of the venue that takes the orders, and how patiently venues are asked."""

    timeframes: tuple[str, ...] = Field((), description="kept beside the timeframe that is decided on")
    records: tuple[MarketEventKind, ...] = Field((), description="kept of the universe: trades, books")
    record_history_hours: float = Field(24, gt=0, description="how far back a first fetch of records reads")
    tries: int = Field(4, ge=1, description="how often a request is tried before the series fails")
    look_again_bars: int = Field(2, ge=0, description="newest stored bars asked for once more: venues revise them")
    max_clock_skew_seconds: float = Field(
        5.0, gt=0, description="a venue whose clock and ours differ by more gives no bars until they agree"
    )


class XSettings(_Group):
    """X through tweepy."""

    bearer_token: SecretStr = SecretStr("")
    query: str = "bitcoin OR ethereum"
    base_url: str = Field("", description="empty: the real service")


class RedditSettings(_Group):
    """Reddit through praw."""

    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    subreddits: tuple[str, ...] = ("CryptoCurrency", "Bitcoin", "CryptoMarkets")
    base_url: str = Field("", description="empty: the real service")


class NewsSettings(_Group):
    """NewsAPI through newsapi-python."""

    api_key: SecretStr = SecretStr("")
    query: str = "bitcoin OR ethereum"
    base_url: str = Field("", description="empty: the real service")


class SizingSettings(_Group):
    """How forecasts become positions."""

    volatility_target_annual: float = Field(0.25, gt=0, le=2, description="wanted volatility of the whole account")
    max_instrument_fraction: float = Field(0.4, gt=0, le=1, description="most of equity in one instrument")
    buffer_fraction: float = Field(0.1, ge=0, le=1, description="no trade while the target moved less than this")


class RiskSettings(_Group):
    """Limits that veto or cut what was sized."""

    max_gross_fraction: float = Field(0.95, gt=0, description="most of equity invested")
    max_position_fraction: float = Field(0.4, gt=0, description="most of equity in one instrument")
    max_order_fraction: float = Field(0.25, gt=0, description="most of equity in one order")
    max_volume_fraction: float = Field(0.05, gt=0, description="most of the decided bar's volume in one order")
    max_drawdown: float = Field(0.25, gt=0, le=1, description="from here on positions are only reduced")
    price_cap_fraction: float = Field(0.02, gt=0, description="how far from the decided close a limit price may lie")


class TrainingSettings(_Group):
    """How often and on what a model is trained."""

    horizon_bars: int = Field(0, ge=0, description="bars ahead that the label looks; 0: 24 intraday, 5 daily")
    window_days: int = Field(3650, gt=0, description="how far back training reads")
    retrain_every_days: float = Field(7, gt=0, description="when a champion counts as old")


class QualitySettings(_Group):
    """When bars are doubted, and how many may be missing."""

    min_completeness: float = Field(
        0.9, ge=0, le=1, description="a series with less of its bars is neither decided on nor trained on"
    )
    spike_fraction: float = Field(0.5, gt=0, description="a price this far off its neighbours is doubted")
    witness_fraction: float = Field(0.1, gt=0, description="a close this far off the witness is doubted")
    publish_delay_seconds: float = Field(60, ge=0, description="how late the source may tell a closed bar")
    witness: str = Field("", description="ccxt's id of a second venue that repairs ask for evidence; empty: none")


class InfluxSettings(_Group):
    """How the InfluxDB at ``influx_url`` is spoken to."""

    api: Literal["v2", "v2-influxql", "v1"] = Field(
        "v2", description="v2: its API and Flux; v2-influxql: InfluxDB 1.8 and 3; v1: line protocol to /write"
    )
    token: SecretStr = Field(SecretStr(""), description="by environment: TIDEMILL_INFLUX__TOKEN")
    org: str = "tidemill"
    bucket: str = Field("tidemill", description="in v1 the database of that name")


class RetentionSettings(_Group):
    """What the flow `prune` and `tidemill data prune` may delete; never what a recorded decision references."""

    payload_days: float = Field(0, ge=0, description="raw answers older than this may go; 0: all are kept")
