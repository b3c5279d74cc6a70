"""Outside of mode live no order may reach an exchange, whatever keys and addresses are set."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidemill.adapters.ccxt.address import check_venue_address
from tidemill.adapters.ccxt.exchange import real_hosts
from tidemill.adapters.venues.capabilities import CAPABILITIES
from tidemill.bootstrap import Overrides, Services
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.market import Instrument
from tidemill.settings import Settings

BTC = Instrument(venue="BINANCE", base="BTC", quote="USDT", price_step=Decimal("0.01"), lot_step=Decimal("0.00001"))
REAL = [name for name in CAPABILITIES if name != "paper"]


def services(folder: Path, mode: Any, rest_url: str = "", exchange: str = "binance") -> Services:
    venue = {"key": "k", "secret": "s", "rest_url": rest_url, "exchange": exchange}
    return Services(
        Settings(home=folder, mode=mode, universe=(BTC.id,), venue=venue), Overrides(instruments={BTC.id: BTC})
    )


@pytest.mark.parametrize("mode", ["replay", "paper", "sandbox"])
@pytest.mark.parametrize("exchange", REAL)
def test_with_keys_alone_nothing_trades_at_the_exchange(mode: str, exchange: str, tmp_path: Path) -> None:
    """A worker with keys in its environment and no address sent orders of mode paper to the exchange itself."""
    with pytest.raises(ConfigurationError, match=f"mode {mode} does not trade at {exchange} itself"):
        assert services(tmp_path, mode, exchange=exchange).trading.broker


@pytest.mark.parametrize("mode", ["paper", "sandbox"])
@pytest.mark.parametrize("exchange", REAL)
def test_the_exchanges_own_hosts_are_refused_by_name(mode: str, exchange: str) -> None:
    for host in real_hosts(exchange):
        with pytest.raises(ConfigurationError, match=f"mode {mode} does not trade at {host}"):
            check_venue_address(mode, exchange, f"https://{host}")


def test_hosts_beside_those_that_ccxt_names_are_refused_too() -> None:
    for host in ("api1.binance.com", "api-gcp.binance.com"):
        with pytest.raises(ConfigurationError, match=host):
            check_venue_address("paper", "binance", f"https://{host}")


def test_what_each_mode_may_speak_to(tmp_path: Path) -> None:
    check_venue_address("paper", "binance", "http://127.0.0.1:8000")
    check_venue_address("paper", "binance", "https://paper.desk.example")
    check_venue_address("sandbox", "binance", "https://testnet.binance.vision")
    check_venue_address("sandbox", "bybit", "https://api-testnet.bybit.com")
    check_venue_address("sandbox", "binance", "http://127.0.0.1:8000")
    with pytest.raises(ConfigurationError, match=r"such as https://testnet\.binance\.vision"):
        check_venue_address("sandbox", "binance", "https://paper.desk.example")
    with pytest.raises(ConfigurationError, match="no test network"):
        check_venue_address("sandbox", "okx", "")


def test_control_in_mode_live_the_exchange_is_meant(tmp_path: Path) -> None:
    live = services(tmp_path, "live")
    assert live.trading.broker is not None
    live.close()


def test_orders_in_the_sandbox_obey_the_exchanges_row(tmp_path: Path) -> None:
    assert services(tmp_path, "sandbox", "https://testnet.binance.vision").trading.capability_name == "binance"
    assert services(tmp_path, "paper", "http://127.0.0.1:8000").trading.capability_name == "paper"
