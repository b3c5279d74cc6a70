"""Settings become services. The only package that knows which adapter is real, and the only global state."""

from tidemill.adapters.ccxt.address import check_venue_address
from tidemill.bootstrap.backtests import (
    backtest_recording,
    keep_compiled_code,
    make_backtest_plan,
    prepare_backtest,
    recorded_settings,
)
from tidemill.bootstrap.base_services import BUNDLED
from tidemill.bootstrap.beside import home_lock, publish_up_info
from tidemill.bootstrap.damage import store_damage
from tidemill.bootstrap.listings import ask_listings
from tidemill.bootstrap.policies import build_fill_rules
from tidemill.bootstrap.reporting import ReportOptions, Speed, report_backtest
from tidemill.bootstrap.retention import prune_payloads, pruned_rows
from tidemill.bootstrap.reviewing import rerun_recent, rerun_recorded, shortfalls
from tidemill.bootstrap.served import check_served
from tidemill.bootstrap.services import Services, services, using
from tidemill.bootstrap.sources import build_live_market
from tidemill.bootstrap.strategies import examine_setting, require_sound
from tidemill.bootstrap.sweep_jobs import LOCAL_CLUSTER, Fan, SweepJob, SweepRequest, need_dask, open_fan, run_job
from tidemill.bootstrap.sweeping import Sweeper, run_sweep
from tidemill.bootstrap.targets import make_folder, need_writable, write_text
from tidemill.bootstrap.walk_forward import WalkForward, run_walk_forward, run_wanted

__all__ = [
    "BUNDLED",
    "LOCAL_CLUSTER",
    "Fan",
    "ReportOptions",
    "Services",
    "Speed",
    "SweepJob",
    "SweepRequest",
    "Sweeper",
    "WalkForward",
    "ask_listings",
    "backtest_recording",
    "build_fill_rules",
    "build_live_market",
    "check_served",
    "check_venue_address",
    "examine_setting",
    "home_lock",
    "keep_compiled_code",
    "make_backtest_plan",
    "make_folder",
    "need_dask",
    "need_writable",
    "open_fan",
    "prepare_backtest",
    "prune_payloads",
    "pruned_rows",
    "publish_up_info",
    "recorded_settings",
    "report_backtest",
    "require_sound",
    "rerun_recent",
    "rerun_recorded",
    "run_job",
    "run_sweep",
    "run_walk_forward",
    "run_wanted",
    "services",
    "shortfalls",
    "store_damage",
    "using",
    "write_text",
]
