"""Settings become the values that the stages take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tidemill.decision import DecisionRules
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import DecisionGrid, Instrument, timeframe_seconds
from tidemill.gap_repair import SeriesGroup
from tidemill.matching import FillRules
from tidemill.quality import OutlierRules
from tidemill.recording import SPOT_ONLY, Recording, bundled_recording, load_recording
from tidemill.risk import Limits
from tidemill.scoring import SCORER
from tidemill.settings.tree import Settings
from tidemill.sizing import SizingPolicy
from tidemill.strategies import choose_strategy
from tidemill.training import TrainingParams

BUNDLED = Path("bundled")


def build_rules(settings: Settings, grid: DecisionGrid, instruments: Mapping[str, Instrument]) -> DecisionRules:
    """What all decisions of the account have in common; ConfigurationError when the strategy cannot be loaded."""
    strategy, own = choose_strategy(settings.strategy)
    return DecisionRules(
        account=settings.account,
        strategy=strategy,
        mode=settings.mode,
        grid=grid,
        universe=settings.universe,
        instruments=instruments,
        sizing=SizingPolicy(**settings.sizing.model_dump()),
        limits=build_limits(settings),
        price_cap_fraction=_fraction(settings.risk.price_cap_fraction),
        scorer=SCORER,
        min_completeness=settings.quality.min_completeness,
        own=own,
    )


def settings_recording(settings: Settings) -> Recording | None:
    """The recording that the settings name, if any."""
    if settings.recording is None:
        return None
    if settings.recording == BUNDLED:
        return bundled_recording()
    return load_recording(settings.recording).need_no_funding(SPOT_ONLY)


def build_grid(settings: Settings) -> DecisionGrid:
    """The legal values of as_of; ConfigurationError when its sessions are those of a recording and there is none."""
    sessions: Sequence[datetime] = ()
    if settings.calendar == "as-recorded":
        recording = settings_recording(settings)
        sessions = recording.sessions if recording else ()
        if not sessions:
            raise ConfigurationError("calendar 'as-recorded' needs a recording; set TIDEMILL_RECORDING")
    return DecisionGrid(
        timeframe=settings.timeframe,
        delay_seconds=settings.delay_seconds,
        calendar=settings.calendar,
        every_seconds=timeframe_seconds(settings.decide_every) if settings.decide_every else 0,
        sessions=tuple(sessions),
    )


def build_outlier_rules(settings: Settings) -> OutlierRules:
    """When a possible bar is doubted."""
    quality = settings.quality
    return OutlierRules(spike_fraction=quality.spike_fraction, reference_fraction=quality.witness_fraction)


def build_series(settings: Settings, grid: DecisionGrid) -> SeriesGroup:
    """The series of the universe, whose gaps are judged together."""
    return SeriesGroup(
        names=settings.universe,
        timeframe=settings.timeframe,
        calendar=settings.calendar,
        sessions=tuple(grid.sessions),
        publish_delay=timedelta(seconds=settings.quality.publish_delay_seconds),
        outliers=build_outlier_rules(settings),
    )


def build_training(settings: Settings) -> TrainingParams:
    """How candidates are trained; the label looks a day ahead intraday, a week of sessions daily."""
    intraday = timeframe_seconds(settings.timeframe) < timeframe_seconds("1d")
    return TrainingParams(horizon_bars=settings.training.horizon_bars or (24 if intraday else 5))


def build_fill_rules(settings: Settings, delay_seconds: int, *, recorded: bool = True) -> FillRules:
    """Fees, slippage and participation of the paper venue and the backtest.

    Latency is made on recorded bars only: on live data the way to the venue takes its own time.
    """
    return FillRules(
        slippage=settings.slippage,
        spread=settings.spread,
        impact=settings.impact,
        latency=timedelta(seconds=settings.latency_seconds if recorded else 0),
        participation=settings.participation,
        decision_delay=timedelta(seconds=delay_seconds),
        fee_maker=settings.fee_maker,
        fee_taker=settings.fee_taker,
        fee_asset=settings.fee_asset,
    )


def quote_fee_rate(settings: Settings) -> Decimal:
    """Fee that a buy pays in quote on top of its price; 0 where it is taken from what is received."""
    return settings.fee_taker if settings.fee_asset == "quote" else Decimal(0)


def build_limits(settings: Settings) -> Limits:
    """Limits as exact decimals."""
    risk = settings.risk
    return Limits(
        max_gross_fraction=_fraction(risk.max_gross_fraction),
        max_position_fraction=_fraction(risk.max_position_fraction),
        max_order_fraction=_fraction(risk.max_order_fraction),
        max_volume_fraction=_fraction(risk.max_volume_fraction),
        max_drawdown=_fraction(risk.max_drawdown),
    )


def _fraction(value: float) -> Decimal:
    return Decimal(repr(value))
