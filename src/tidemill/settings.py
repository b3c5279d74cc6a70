"""One frozen tree of settings, read once.

Each has an environment variable ``TIDEMILL_<NAME>`` (nested with ``__``) and a line in
``tidemill.toml``, read from the working directory, else from HOME. Secrets are typed as secret.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.domain.market import TIMEFRAME_SECONDS, Calendar, default_decision_delay, split_instrument_id
from tidemill.domain.records import RecordKind
from tidemill.mistakes import check_variables, tell_mistake

FILE_NAME = "tidemill.toml"
Mode = Literal["replay", "paper", "sandbox", "live"]


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
    records: tuple[RecordKind, ...] = Field(
        (), description="of its instruments: trades, books, funding, open_interest, adjustments"
    )
    rest_url: str = Field("", description="sends every request here instead of the venue's own host")
    ws_url: str = ""
    key_variable: str = Field("ALPHA_VANTAGE_KEY", description="environment variable with the key, where one is needed")
    budget_per_minute: float | None = Field(
        None, ge=0, description="as of the venue that takes the orders; empty: yfinance 60, alpha_vantage 5"
    )


class IngestSettings(_Group):
    """What is kept of the venue that takes the orders, and how patiently venues are asked."""

    timeframes: tuple[str, ...] = Field((), description="kept beside the timeframe that is decided on")
    records: tuple[RecordKind, ...] = Field((), description="kept of the universe: trades, books")
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


class Settings(BaseSettings):
    """Everything that a person may set; see the module docstring for where from."""

    model_config = SettingsConfigDict(
        env_prefix="TIDEMILL_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    home: Path = Field(Path(".tidemill"), description="everything kept between runs")
    mode: Mode = "paper"
    account: str = "main"
    universe: tuple[str, ...] = ("BTC-USDT.BINANCE", "ETH-USDT.BINANCE")
    timeframe: str = "1h"
    calendar: Calendar = "24x7"
    decide_every: str = Field("", description="a timeframe; empty: every bar")
    decision_delay_seconds: int = Field(0, ge=0, description="0: 30 below 1h, 90 from 1h on")
    market_url: str = Field("", description="database of market data; empty: SQLite in home")
    ops_url: str = Field("", description="database of the ledger; empty: SQLite in home")
    mlflow_url: str = Field("", description="MLflow tracking store; empty: SQLite in home")
    influx_url: str = Field("", description="InfluxDB; empty: bars stay in market_url")
    strategy: str = Field(
        "model",
        description="model (trend trades while there is no champion), trend, reversion, or a file that ends in .py",
    )
    promotion: Literal["proven", "paper"] = "paper"
    task_runner: Literal["threads", "dask"] = Field("threads", description="where the sets of a sweep are tried")
    dask_address: str = Field("", description="scheduler of a Dask cluster; empty: workers on this machine")
    live: bool = Field(False, description="one of the two switches of live trading")
    recording: Path | None = Field(None, description="serve this recording instead of live data")
    start_cash: Decimal = Field(Decimal(100_000), gt=0, description="quote units of a new paper account")
    fee_maker: Decimal = Field(Decimal("0.001"), ge=0, lt=1)
    fee_taker: Decimal = Field(Decimal("0.001"), ge=0, lt=1)
    fee_asset: Literal["received", "quote"] = "received"
    slippage: Decimal = Field(Decimal("0.0005"), ge=0, lt=1, description="fraction of price, always against us")
    spread: Decimal = Field(
        Decimal(0), ge=0, lt=1, description="distance of bid and ask as a fraction of price; who takes pays half"
    )
    impact: Decimal = Field(
        Decimal(0), ge=0, lt=1, description="what an order as large as its bar moves the price; by the square root"
    )
    latency_seconds: float = Field(0.0, ge=0, description="from send to arrival, on recorded bars")
    participation: Decimal = Field(Decimal("0.1"), gt=0, le=1, description="share of a bar's volume that may fill us")
    fill_wait_seconds: float = Field(5.0, ge=0)
    max_lag_seconds: int = Field(600, gt=0, description="a decision older than this is skipped")
    lease_seconds: float = Field(60.0, gt=0, description="time to live of the account's lease")
    venue: VenueSettings = VenueSettings()
    x: XSettings = XSettings()
    reddit: RedditSettings = RedditSettings()
    news: NewsSettings = NewsSettings()
    sizing: SizingSettings = SizingSettings()
    risk: RiskSettings = RiskSettings()
    training: TrainingSettings = TrainingSettings()
    quality: QualitySettings = QualitySettings()
    influx: InfluxSettings = InfluxSettings()
    retention: RetentionSettings = RetentionSettings()
    ingest: IngestSettings = IngestSettings()
    markets: tuple[MarketSettings, ...] = Field((), description="more venues that market data come from")

    @field_validator("universe")
    @classmethod
    def _check_universe(cls, universe: tuple[str, ...]) -> tuple[str, ...]:
        if not universe:
            raise ValueError("name at least one instrument")
        if len(set(universe)) < len(universe):
            raise ValueError("an instrument is named twice")
        for instrument in universe:
            _venue_of(instrument)
        return universe

    @field_validator("markets")
    @classmethod
    def _check_markets(cls, markets: tuple[MarketSettings, ...]) -> tuple[MarketSettings, ...]:
        for one in markets:
            wrong = [name for name in one.instruments if _venue_of(name) != one.name]
            if wrong:
                raise ValueError(f"instrument {wrong[0]} is not of the venue {one.name} that it is listed under")
        if len({one.name for one in markets}) < len(markets):
            raise ValueError("two markets have the same name")
        for one in markets:
            if not one.instruments:
                raise ValueError(f"the market {one.name} has no instruments; name at least one")
            if one.source == "ccxt" and not one.exchange:
                raise ValueError(f"the market {one.name} has no exchange; name ccxt's id of it, such as kraken")
        return markets

    @field_validator("timeframe", "decide_every")
    @classmethod
    def _check_timeframe(cls, timeframe: str) -> str:
        if timeframe and timeframe not in TIMEFRAME_SECONDS:
            raise ValueError(f"timeframe '{timeframe}' is unknown; use one of {', '.join(TIMEFRAME_SECONDS)}")
        return timeframe

    @property
    def delay_seconds(self) -> int:
        """decision_delay in seconds, the default of the timeframe when unset."""
        return self.decision_delay_seconds or default_decision_delay(self.timeframe)

    def database_url(self, name: Literal["market", "ops", "mlflow"]) -> str:
        """The SQLAlchemy URL of a store: as set, else a SQLite file in home."""
        chosen = str(getattr(self, f"{name}_url"))
        if chosen:
            return chosen.replace("postgresql://", "postgresql+psycopg://", 1)
        return f"sqlite:///{(self.home / f'{name}.db').absolute()}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and that over the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=settings_file())


def _venue_of(instrument: str) -> str:
    """The venue of an instrument id; ValueError, which is told with the setting's name, when it is none."""
    try:
        return split_instrument_id(instrument)[2]
    except DataError as error:
        raise ValueError(str(error)) from error


def settings_file() -> Path:
    """``tidemill.toml`` of the working directory if it is there, else the one in HOME."""
    here = Path(FILE_NAME)
    return here if here.exists() else Path(os.environ.get("TIDEMILL_HOME", ".tidemill")) / FILE_NAME


def load_settings(**overrides: Any) -> Settings:
    """Read settings; ConfigurationError names the setting, what is wrong, and where it came from.

    A variable that begins with TIDEMILL_ and is nearly the name of a setting is refused, not passed over:
    what it was to change would silently stay as it is.
    """
    check_variables(os.environ, Settings)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigurationError(tell_mistake(error, Settings, settings_file())) from error
    except ValueError as error:
        raise ConfigurationError(f"{settings_file()} cannot be read: {error}") from error
