"""Settings become services. The only package that knows which adapter is real, and the only global state."""

from tidemill.adapters.ccxt.address import check_venue_address
from tidemill.bootstrap.beside import home_lock, publish_up_info
from tidemill.bootstrap.damage import store_damage
from tidemill.bootstrap.listings import ask_listings
from tidemill.bootstrap.market_sources import build_live_market
from tidemill.bootstrap.plans import (
    SettingsPlanLoader,
    keep_compiled_code,
    make_backtest_plan,
    prepare_backtest,
    recorded_settings,
)
from tidemill.bootstrap.policies import BUNDLED, build_fill_rules, settings_recording
from tidemill.bootstrap.retention import prune_payloads, pruned_rows
from tidemill.bootstrap.reviewing import rerun_recent, rerun_recorded, shortfalls
from tidemill.bootstrap.served import check_served
from tidemill.bootstrap.services import Services, services, using
from tidemill.bootstrap.stores import Clocks, Overrides, Stores
from tidemill.bootstrap.strategies import examine_setting, require_sound

__all__ = [
    "BUNDLED",
    "Clocks",
    "Overrides",
    "Services",
    "SettingsPlanLoader",
    "Stores",
    "ask_listings",
    "build_fill_rules",
    "build_live_market",
    "check_served",
    "check_venue_address",
    "examine_setting",
    "home_lock",
    "keep_compiled_code",
    "make_backtest_plan",
    "prepare_backtest",
    "prune_payloads",
    "pruned_rows",
    "publish_up_info",
    "recorded_settings",
    "require_sound",
    "rerun_recent",
    "rerun_recorded",
    "services",
    "settings_recording",
    "shortfalls",
    "store_damage",
    "using",
]
