"""Settings become the values that the stages take."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from tidemill.decision import DecisionRules
from tidemill.domain.market import DecisionGrid, Instrument, timeframe_seconds
from tidemill.gap_repair import SeriesGroup
from tidemill.matching import FillRules
from tidemill.quality import OutlierRules
from tidemill.risk import Limits
from tidemill.scoring import SCORER
from tidemill.settings import Settings
from tidemill.sizing import SizingPolicy
from tidemill.strategies import choose_strategy
from tidemill.training import TrainingParams


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
