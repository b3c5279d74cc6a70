"""The services of a process, each built when first asked for; and which are in force."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

from tidemill.adapters.venues.capabilities import capability, check_live
from tidemill.bootstrap.beside import settings_of_running_up
from tidemill.bootstrap.market_services import MarketServices
from tidemill.bootstrap.policies import build_rules, build_training, quote_fee_rate
from tidemill.decision import DecisionRules
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.trading import OrderTiming
from tidemill.execution import Desk
from tidemill.execution.desk import Broker
from tidemill.forecasting import Strategy
from tidemill.settings import Settings, load_settings
from tidemill.strategies import choose_strategy
from tidemill.training import TrainingParams


class Services(MarketServices):
    """Everything that tasks reach for: clocks and stores, market data, and the account that trades.

    ``parts`` replaces any property by name; tests and replays pass their own clock or broker this way.
    """

    def __init__(self, settings: Settings, **parts: Any) -> None:
        self.settings = settings
        unknown = set(parts) - set(dir(type(self)))
        if unknown:
            raise ConfigurationError(f"there is no service named {', '.join(sorted(unknown))}")
        self.__dict__.update(parts)

    @cached_property
    def capability_name(self) -> str:
        """The row of the capability table that orders obey."""
        on_paper = self.settings.venue.rest_url and self.settings.mode in {"replay", "paper"}
        return "paper" if on_paper else self.settings.venue.exchange

    @cached_property
    def timing(self) -> OrderTiming:
        """Windows and waits of the venue."""
        return capability(self.capability_name).timing()

    @cached_property
    def _chosen_strategy(self) -> tuple[str, Strategy | None]:
        return choose_strategy(self.settings.strategy)

    @property
    def strategy_name(self) -> str:
        """The name that decisions are recorded under; known without asking the venue, as is the next."""
        return self._chosen_strategy[0]

    @property
    def own_strategy(self) -> Strategy | None:
        """The strategy of the settings' file; None for one that ships."""
        return self._chosen_strategy[1]

    @cached_property
    def rules(self) -> DecisionRules:
        """What all decisions of this account have in common."""
        return build_rules(self.settings, self.grid, self.instruments)

    @property
    def quote_fee_rate(self) -> Decimal:
        """Fee that a buy pays in quote on top of its price."""
        return quote_fee_rate(self.settings)

    @cached_property
    def training(self) -> TrainingParams:
        """How candidates are trained."""
        return build_training(self.settings)

    @cached_property
    def broker(self) -> Broker:
        """Where orders go; ConfigurationError when that is not where the mode may send them, or without a key."""
        from tidemill.adapters.ccxt.address import check_venue_address
        from tidemill.adapters.ccxt.broker import CcxtBroker

        venue = self.settings.venue
        check_venue_address(self.settings.mode, venue.exchange, venue.rest_url)
        key, secret = venue.key.get_secret_value(), venue.secret.get_secret_value()
        if not key or not secret:
            raise ConfigurationError(
                "the venue's key is not set; set TIDEMILL_VENUE__KEY and TIDEMILL_VENUE__SECRET, "
                "or run 'tidemill up', which makes a paper account of its own"
            )
        return CcxtBroker(
            venue.exchange,
            venue=venue.name,
            rest_url=venue.rest_url,
            key=key,
            secret=secret,
            instruments=list(self.instruments.values()),
            wall_clock=self.wall_clock,
            capability=capability(self.capability_name),
        )

    @cached_property
    def desk(self) -> Desk:
        """The account, ready to place and settle orders."""
        return Desk(
            account=self.settings.account,
            ledger=self.ledger,
            broker=self.broker,
            market_clock=self.market_clock,
            wall_clock=self.wall_clock,
            timing=self.timing,
            sleep=self.sleep,
        )

    def check_mode(self, mode: str, *, live: bool = False) -> None:
        """Refuse a run whose mode is not the settings', and live trading without both switches."""
        if mode != self.settings.mode:
            raise ConfigurationError(
                f"this run is for mode '{mode}' but the settings say '{self.settings.mode}'; "
                f"use the deployment of that mode or change TIDEMILL_MODE"
            )
        if mode == "live":
            if not (live and self.settings.live):
                raise ConfigurationError(
                    "live trading is off; it needs the deployment parameter live and TIDEMILL_LIVE, both true"
                )
            check_live(self.settings.venue.exchange)


_current: ContextVar[Services | None] = ContextVar("tidemill_services", default=None)


@cache
def _default_services() -> Services:
    made = Services(settings_of_running_up(load_settings()))
    atexit.register(made.close)  # an open client tells a person of itself when the process ends
    return made


def services() -> Services:
    """The services of this process: those in force by :func:`using`, else built from the settings once."""
    return _current.get() or _default_services()


@contextmanager
def using(chosen: Services) -> Iterator[Services]:
    """Put ``chosen`` in force for the code inside."""
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)
