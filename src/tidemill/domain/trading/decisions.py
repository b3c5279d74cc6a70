"""From what is expected to what is decided: forecasts, targets, refusals, and the decision that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from tidemill.domain.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Signed strength in [-1, +1] for one instrument, dead after ``expires_at``.

    ``volatility_annual`` is the strategy's own estimate, a fraction a year; None leaves it to sizing. DataError when
    the strength lies outside, NaN included.
    """

    instrument: str
    strength: float
    horizon_seconds: int
    made_at: datetime
    expires_at: datetime
    volatility_annual: float | None = None

    def __post_init__(self) -> None:
        if not -1.0 <= self.strength <= 1.0:
            raise DataError(f"forecast {self.strength!r} for {self.instrument} lies outside [-1, +1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoForecast:
    """Why an instrument has no forecast in a decision."""

    instrument: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPosition:
    """Signed quantity to be held, in base units, with the price in quote that it was sized at."""

    instrument: str
    quantity: Decimal
    price: Decimal
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """A refusal by a limit, or a target cut down by it (``allowed`` not None), with its reason."""

    instrument: str
    limit: str
    reason: str
    wanted: Decimal
    allowed: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A wish that became no order: dust, inside the buffer, or not tradable."""

    instrument: str
    quantity: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One run of a strategy for one account and as_of: everything needed to explain and run it again.

    ``outcome`` is ``decided`` or ``refused``; a refusal has its ``reason`` and no intents. ``record`` is
    ready for JSON: feature rows, forecasts, targets, vetoes, drops, versions, hashes. ``ledger_sequence`` is the
    newest entry of the account that it was decided on, ``store_watermark`` (micros) how far the market store was read.
    """

    decision_id: str
    account: str
    strategy: str
    as_of: datetime
    attempt: int
    mode: str
    outcome: Literal["decided", "refused"]
    reason: str
    model: str
    model_version: str
    limits_version: str
    ledger_sequence: int
    store_watermark: int
    market_time: datetime
    wall_time: datetime
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A stop on one instrument, one account, or everything (``scope`` = ``*``), since a market time."""

    scope: str
    reason: str
    since: datetime
