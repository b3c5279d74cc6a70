"""One frozen tree of settings, read once.

Each has an environment variable ``TIDEMILL_<NAME>`` (nested with ``__``) and a line in
``tidemill.toml``, read from the working directory, else from HOME. Secrets are typed as secret.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from tidemill.domain.errors import ConfigurationError, DataError
from tidemill.domain.market import TIMEFRAME_SECONDS, Calendar, default_decision_delay, split_instrument_id
from tidemill.settings.errors import check_variables, mistake_sentence
from tidemill.settings.groups import (
    InfluxSettings,
    IngestSettings,
    MarketSettings,
    NewsSettings,
    QualitySettings,
    RedditSettings,
    RetentionSettings,
    RiskSettings,
    SizingSettings,
    TrainingSettings,
    VenueSettings,
    XSettings,
)

FILE_NAME = "tidemill.toml"
Mode = Literal["replay", "paper", "sandbox", "live"]


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
        for market in markets:
            wrong = [name for name in market.instruments if _venue_of(name) != market.name]
            if wrong:
                raise ValueError(f"instrument {wrong[0]} is not of the venue {market.name} that it is listed under")
        if len({market.name for market in markets}) < len(markets):
            raise ValueError("two markets have the same name")
        for market in markets:
            if not market.instruments:
                raise ValueError(f"the market {market.name} has no instruments; name at least one")
            if market.source == "ccxt" and not market.exchange:
                raise ValueError(f"the market {market.name} has no exchange; name ccxt's id of it, such as kraken")
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
        url = str(getattr(self, f"{name}_url"))
        if url:
            # SQLAlchemy would take its older default driver, which is not installed
            return url.replace("postgresql://", "postgresql+psycopg://", 1)
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
        raise ConfigurationError(mistake_sentence(error, Settings, settings_file())) from error
    except ValueError as error:
        raise ConfigurationError(f"{settings_file()} cannot be read: {error}") from error
