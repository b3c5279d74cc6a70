"""The capability table by itself: ids that every venue takes, and live trading that stays closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters.ccxt._outcomes import OUTCOMES
from tidemill.adapters.venues.capabilities import CAPABILITIES, Basis, Fact, VenueCapability, capability, check_live
from tidemill.adapters.venues.page import replace_rows
from tidemill.domain.errors import ConfigurationError
from tidemill.domain.trading import intent_id

ROWS = tuple(CAPABILITIES.values())

# -- client order ids


@given(
    account=st.text(max_size=40),
    strategy=st.text(max_size=20),
    as_of=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)),
    attempt=st.integers(0, 1000),
    leg=st.integers(0, 1000),
)
def test_every_intent_has_a_client_order_id_everywhere(
    account: str, strategy: str, as_of: datetime, attempt: int, leg: int
) -> None:
    identity = {"account": account, "strategy": strategy, "instrument": "BTC-USDT.X", "attempt": attempt}
    moment = as_of.replace(tzinfo=UTC)
    one = intent_id(**identity, as_of=moment, leg=leg)
    other = intent_id(**identity, as_of=moment, leg=leg + 1)
    for row in ROWS:
        assert row.client_order_id(one) == row.client_order_id(one)
        assert row.client_order_id(one) != row.client_order_id(other)
        # what ccxt takes for an id that has its prefix already
        assert row.client_id_form.startswith("t-") or not row.client_order_id(one).startswith("t")


@pytest.mark.parametrize("row", [row for row in ROWS if row.client_id_form != "{uuid}"], ids=lambda row: row.exchange)
@pytest.mark.parametrize("bad", ["", "x" * 65, "with space", "ä", "a\n", "a/b", "s1\n"])
def test_an_id_outside_the_rules_is_refused(row: VenueCapability, bad: str) -> None:
    with pytest.raises(ConfigurationError, match=f"does not fit {row.exchange}"):
        row.client_order_id(bad)


# -- live trading stays closed


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.exchange)
def test_live_is_refused_with_one_sentence_that_says_what_is_missing(row: VenueCapability) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_live(row.exchange)
    text = str(refused.value)
    assert text.startswith(f"live trading on {row.exchange} is refused: ")
    assert row.missing
    assert all(reason in text for reason in row.missing)
    assert "\n" not in text
    assert ". " not in text
    assert "use mode paper" in text


OPEN = replace(capability("binance"), sandbox=datetime(2026, 12, 1).date())
MEMORY = Fact(text="something", basis=Basis.MEMORY)


def test_a_row_opens_when_nothing_is_missing() -> None:
    assert OPEN.verified == OPEN.sandbox
    assert not OPEN.missing


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sandbox": None}, "have not passed on its sandbox"),
        ({"intercepted": None}, "never intercepted"),
        ({"deadline": None}, "no deadline parameter"),
        ({"deadline": MEMORY}, "from memory only"),
        ({"client_id_rule": MEMORY}, "from memory only"),
        ({"uniqueness": MEMORY}, "from memory only"),
        ({"query_after_close": Fact(text="unknown", basis=Basis.UNKNOWN)}, "is unknown"),
        ({"internal_timeout_basis": Basis.UNKNOWN}, "10 s are assumed"),
        ({"answers": ""}, "does not read its answers"),
        ({"gaps": ("something is odd",)}, "something is odd"),
    ],
)
def test_one_thing_missing_closes_a_row(change: dict[str, Any], reason: str) -> None:
    row = replace(OPEN, **change)
    assert row.verified is None
    assert any(reason in one for one in row.missing)


# -- the page for people


PAGE = (Path(__file__).parents[4] / "docs" / "venues.md").read_text()


def test_the_page_is_made_from_the_rows() -> None:
    told = "run: python -m tidemill.adapters.venues.page docs/venues.md"
    assert replace_rows(PAGE, ROWS) == PAGE, told
    assert all(f"\n| {row.exchange} |" in PAGE for row in ROWS)


def test_the_page_has_the_outcome_table() -> None:
    lines = [f"| {row.because} | {row.outcome} |" for row in OUTCOMES]
    assert "\n".join(lines) in PAGE
