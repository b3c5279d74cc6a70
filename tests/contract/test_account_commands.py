"""`tidemill account` and `resume --accept-venue` against the paper venue, as a person uses them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from tidemill.bootstrap import Services, services, using
from tidemill.cli import main
from tidemill.domain.trading import OrderRequest, OrderType, Side, TimeInForce
from tidemill.execution import compare_account, freeze_differences
from tidemill.matching import FillRules
from tidemill.recording import bundled_recording
from tidemill.settings import load_settings
from tidemill.venue import UNLIMITED, VenueOptions, VenueServer

pytestmark = pytest.mark.wire
AAPL = "AAPL-USD.SAMPLE"
RULES = FillRules(
    slippage=Decimal(0),
    participation=Decimal("0.1"),
    decision_delay=timedelta(seconds=90),
    fee_maker=Decimal("0.001"),
    fee_taker=Decimal("0.001"),
)


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VenueServer]:
    made = VenueServer(VenueOptions(recording=bundled_recording(), rules=RULES, limits=UNLIMITED))
    made.start()
    admin(made, "accounts", {"key": "k1", "secret": "s1", "balances": {"USD": "1000"}})
    admin(made, "clock", {"now": "2013-02-13T00:00:45Z"})
    values = {
        "HOME": str(tmp_path / "home"),
        "UNIVERSE": f'["{AAPL}"]',
        "VENUE__NAME": "SAMPLE",
        "VENUE__REST_URL": made.rest_url,
        "VENUE__ADMIN_URL": made.admin_url,
        "VENUE__KEY": "k1",
        "VENUE__SECRET": "s1",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"TIDEMILL_{name}", value)
    monkeypatch.chdir(tmp_path)
    known = Services(load_settings())
    with using(known):
        yield made
    known.close()
    made.stop()


def admin(venue: VenueServer, path: str, body: dict) -> None:
    head = {"X-Admin-Token": venue.token}
    answer = requests.post(f"{venue.admin_url}/{path}", json=body, headers=head, timeout=10)
    assert answer.ok, answer.text


def run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def held(asset: str = "USD") -> Decimal:
    return services().stores.ledger.load_portfolio(services().settings.account).quantity(asset)


def differences() -> list[str]:
    known = services()
    found = compare_account(known.trading.desk, [AAPL], since=datetime.now(UTC) - timedelta(days=1))
    freeze_differences(known.trading.desk, found)
    return [one.kind for one in found]


def test_money_comes_and_goes(venue: VenueServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("account", "open") in {0, None}
    assert held() == 1000
    assert run("account", "deposit", "USD=250.50", "--because", "savings", "--id", "tx1") in {0, None}
    assert run("account", "deposit", "USD=250.50", "--because", "savings", "--id", "tx1") in {0, None}
    assert "booked before" in capsys.readouterr().out
    assert run("account", "withdraw", "usd=0.25", "--because", "rent") in {0, None}
    assert run("account", "adjust", "--because", "interest", "--", "USD=-0.25") in {0, None}
    assert held() == Decimal("1250.00")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("deposit", "USD"), "ASSET=AMOUNT"),
        (("deposit", "USD=-1"), "ASSET=AMOUNT"),
        (("withdraw", "USD=0"), "ASSET=AMOUNT"),
        (("withdraw", "USD=NaN"), "ASSET=AMOUNT"),
    ],
)
def test_what_is_no_amount_is_refused(
    venue: VenueServer, arguments: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("account", "open")
    assert run("account", *arguments, "--because", "x") == 2
    assert named in capsys.readouterr().err
    assert held() == 1000


def test_an_account_that_is_not_open_takes_nothing(venue: VenueServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("account", "deposit", "USD=1", "--because", "x") == 2
    assert "account open" in capsys.readouterr().err


def test_a_person_takes_the_venue_over_and_it_stays_taken(
    venue: VenueServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """An order by hand at the venue: told, frozen, taken over with a reason, and never told again."""
    run("account", "open")
    by_hand = OrderRequest(
        client_order_id="by-hand",
        instrument=AAPL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal(1),
        limit_price=Decimal("480.1234"),
        sent_at=datetime.now(UTC),
        window_ms=5000,
    )
    assert services().trading.broker.place_order(by_hand).outcome == "acked"
    assert sorted(differences()) == ["balance", "balance", "unknown order"]
    assert {one.scope for one in services().stores.ledger.load_freezes()} == {AAPL, services().settings.account}
    assert run("resume", AAPL, "--accept-venue", "--because", "I bought by hand") in {0, None}
    assert "1 differences taken over" in capsys.readouterr().out
    assert run("resume", services().settings.account, "--because", "its trade is booked") in {0, None}
    assert not differences()
    assert not services().stores.ledger.load_freezes()
    balances = services().trading.broker.fetch_balances()
    assert {asset: held(asset) for asset in balances} == {asset: one.total for asset, one in balances.items()}
