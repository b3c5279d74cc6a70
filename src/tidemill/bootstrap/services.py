"""The services of a process, each built when first asked for; and which are in force."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import cache, cached_property

from tidemill.adapters.machine.environment import this_environment
from tidemill.adapters.venues.capabilities import capability, check_live
from tidemill.bootstrap.markets import Markets
from tidemill.bootstrap.stores import Clocks, Overrides, Stores, closed_by
from tidemill.decision import DecisionRules, Environment
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.trading import OrderTiming
from tidemill.execution import Desk
from tidemill.execution.desk import Broker
from tidemill.forecasting import Strategy
from tidemill.lineage import Reviewer, StoredInputs
from tidemill.settings import Settings, load_settings
from tidemill.settings.policies import build_rules, build_training, quote_fee_rate
from tidemill.settings.running_up import settings_of_running_up
from tidemill.strategies import choose_strategy
from tidemill.training import TrainingParams


class Trading:
    """The account that trades: its strategy and rules, and the desk that its orders go through."""

    def __init__(self, svc: Services, stack: ExitStack) -> None:
        self._settings, self._overrides, self._stack = svc.settings, svc.overrides, stack
        self._clocks, self._stores, self._markets = svc.clocks, svc.stores, svc.markets

    @cached_property
    def environment(self) -> Environment:
        """What decisions are computed with."""
        return this_environment()

    @cached_property
    def capability_name(self) -> str:
        """The row of the capability table that orders obey."""
        settings = self._settings
        on_paper = settings.venue.rest_url and settings.mode in {"replay", "paper"}
        return "paper" if on_paper else settings.venue.exchange

    @cached_property
    def timing(self) -> OrderTiming:
        """Windows and waits of the venue."""
        return capability(self.capability_name).timing()

    @cached_property
    def _named_strategy(self) -> tuple[str, Strategy | None]:
        return choose_strategy(self._settings.strategy)

    @property
    def strategy_name(self) -> str:
        """The name that decisions are recorded under; known without asking the venue, as is the next."""
        return self._named_strategy[0]

    @property
    def own_strategy(self) -> Strategy | None:
        """The strategy of the settings' file; None for one that ships."""
        return self._named_strategy[1]

    @cached_property
    def rules(self) -> DecisionRules:
        """What all decisions of this account have in common."""
        return self._overrides.rules or build_rules(self._settings, self._markets.grid, self._markets.instruments)

    @property
    def reviewer(self) -> Reviewer:
        """What the account's recorded decisions are made again and measured with."""
        stores = self._stores
        stored = StoredInputs(
            bars=stores.market,
            posts=stores.market,
            ledger=stores.ledger,
            quarantine=stores.gaps,
            records=stores.market_events,
        )
        return Reviewer(
            account=self._settings.account,
            strategy=self.strategy_name,
            ledger=stores.ledger,
            stored=stored,
            models=lambda: stores.models,
            grid=self._markets.grid,
            environment=self.environment,
            own=self.own_strategy,
        )

    @property
    def quote_fee_rate(self) -> Decimal:
        """Fee that a buy pays in quote on top of its price, as a fraction of it."""
        return quote_fee_rate(self._settings)

    @cached_property
    def training(self) -> TrainingParams:
        """How candidates are trained."""
        return build_training(self._settings)

    @cached_property
    def broker(self) -> Broker:
        """Where orders go; ConfigurationError when that is not where the mode may send them, or without a key."""
        return self._overrides.broker or self._open_broker()

    @cached_property
    def desk(self) -> Desk:
        """The account, ready to place orders and to resolve those in doubt."""
        return self._overrides.desk or Desk(
            account=self._settings.account,
            ledger=self._stores.ledger,
            broker=self.broker,
            market_clock=self._clocks.market,
            wall_clock=self._clocks.wall,
            timing=self.timing,
            sleep=self._clocks.sleep,
        )

    def check_mode(self, mode: str, *, live: bool = False) -> None:
        """Refuse a run whose mode is not the settings', and live trading without both switches."""
        if mode != self._settings.mode:
            raise ConfigurationError(
                f"this run is for mode '{mode}' but the settings say '{self._settings.mode}'; "
                f"use the deployment of that mode or change TIDEMILL_MODE"
            )
        if mode == "live":
            if not (live and self._settings.live):
                raise ConfigurationError(
                    "live trading is off; it needs the deployment parameter live and TIDEMILL_LIVE, both true"
                )
            check_live(self._settings.venue.exchange)

    def _open_broker(self) -> Broker:
        from tidemill.adapters.ccxt.address import check_venue_address
        from tidemill.adapters.ccxt.broker import CcxtBroker
        from tidemill.adapters.ccxt.exchange import Connection

        venue = self._settings.venue
        check_venue_address(self._settings.mode, venue.exchange, venue.rest_url)
        key, secret = venue.key.get_secret_value(), venue.secret.get_secret_value()
        if not key or not secret:
            raise ConfigurationError(
                "the venue's key is not set; set TIDEMILL_VENUE__KEY and TIDEMILL_VENUE__SECRET, "
                "or run 'tidemill up', which makes a paper account of its own"
            )
        broker = CcxtBroker(
            venue.exchange,
            Connection(rest_url=venue.rest_url, key=key, secret=secret),
            venue=venue.name,
            instruments=list(self._markets.instruments.values()),
            capability=capability(self.capability_name),
        )
        return closed_by(self._stack, broker)


class Services:
    """Everything that flows and tasks reach for, made from the settings.

    ``clocks`` tell the time, ``stores`` keep what is between runs, ``markets`` bring market data and posts,
    ``trading`` is the account with its rules and its desk. Each part, and each part of a part, is built when it is
    first asked for; :meth:`close` closes what was built, the newest first. ``overrides`` take the place of parts: tests
    and replays pass their own clock, store or broker this way.
    """

    def __init__(self, settings: Settings, overrides: Overrides | None = None) -> None:
        self.settings = settings
        self.overrides = overrides or Overrides()
        self._opened = ExitStack()
        self._publishes = True

    @cached_property
    def clocks(self) -> Clocks:
        """Market clock and wall clock."""
        return Clocks(self.settings, self.overrides, self._opened)

    @cached_property
    def stores(self) -> Stores:
        """Market data, ledger, models and what else is kept."""
        return Stores(self.settings, self.clocks, self.overrides, self._opened)

    @cached_property
    def markets(self) -> Markets:
        """Sources of market data and posts."""
        return Markets(self.settings, self.clocks, self.stores, self.overrides, self._opened)

    @cached_property
    def trading(self) -> Trading:
        """The account that trades."""
        return Trading(self, self._opened)

    @property
    def retry_delay_seconds(self) -> float:
        """Pause before a task is tried again; none in a replay, where time stands still."""
        if self.overrides.retry_delay_seconds is not None:
            return self.overrides.retry_delay_seconds
        return 0.0 if self.settings.mode == "replay" else 5.0

    @property
    def publishes_artifacts(self) -> bool:
        """Whether flows publish artifacts now."""
        return self._publishes

    @contextmanager
    def artifacts_published(self, on: bool) -> Iterator[None]:
        """Publish artifacts of what runs inside, or not: a replay does so in its first and its last step only."""
        before, self._publishes = self._publishes, on
        try:
            yield
        finally:
            self._publishes = before

    def close(self) -> None:
        """Close what was opened here; parts that were given are closed by whoever gave them."""
        self._opened.close()


_current: ContextVar[Services | None] = ContextVar("tidemill_services", default=None)


@cache
def _default_services() -> Services:
    built = Services(settings_of_running_up(load_settings()))
    atexit.register(built.close)  # an open client tells a person of itself when the process ends
    return built


def services() -> Services:
    """The services of this process: those in force by :func:`using`, else built from the settings once."""
    return _current.get() or _default_services()


@contextmanager
def using(replacement: Services) -> Iterator[Services]:
    """Put ``replacement`` in force for the code inside."""
    token = _current.set(replacement)
    try:
        yield replacement
    finally:
        _current.reset(token)
