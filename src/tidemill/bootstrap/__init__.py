"""Settings become services. The only package that knows which adapter is real, and the only global state."""

from tidemill.adapters.ccxt.address import check_venue_address
from tidemill.adapters.sql.damage import store_damage
from tidemill.bootstrap.market_sources import build_live_market
from tidemill.bootstrap.plans import (
    SettingsPlanLoader,
    examine_setting,
    keep_compiled_code,
    make_backtest_plan,
    prepare_backtest,
    recorded_settings,
    require_sound,
)
from tidemill.bootstrap.services import Services, services, using
from tidemill.bootstrap.stores import Clocks, Overrides, Stores
from tidemill.settings.policies import BUNDLED, build_fill_rules, settings_recording

__all__ = [
    "BUNDLED",
    "Clocks",
    "Overrides",
    "Services",
    "SettingsPlanLoader",
    "Stores",
    "build_fill_rules",
    "build_live_market",
    "check_venue_address",
    "examine_setting",
    "keep_compiled_code",
    "make_backtest_plan",
    "prepare_backtest",
    "recorded_settings",
    "require_sound",
    "services",
    "settings_recording",
    "store_damage",
    "using",
]
