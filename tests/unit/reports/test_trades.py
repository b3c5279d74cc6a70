"""What a run of trade came to, as the flow returns it."""

from __future__ import annotations

from dataclasses import replace

from support.runs_made import BTC, at, decision, order

from tidemill.reports import ORDER_COUNTS, SkippedTrade, TradeSummary

RECORD = {
    "forecasts": [{"instrument": BTC}, {"instrument": "ETH-USDT.T"}],
    "without_forecast": ["XRP-USDT.T"],
    "vetoes": [{"instrument": BTC}],
    "dropped": [],
    "equity": "2000",
}


def test_a_trade_tells_its_decision_and_counts_its_orders() -> None:
    decided = replace(decision(1, {}, {}), record=RECORD)
    assert TradeSummary(decision=decided, orders=[order(1, "10"), order(1, "5")]).to_json() == {
        "decision": "d1",
        "as_of": "2025-01-02T00:00:00Z",
        "outcome": "decided",
        "reason": "",
        "model": "trend",
        "model_version": "",
        "forecasts": 2,
        "without_forecast": ["XRP-USDT.T"],
        "vetoed": 1,
        "dropped": 0,
        "equity": "2000",
        "orders": {**dict.fromkeys(ORDER_COUNTS, 0), "intended": 2, "filled": 2},
    }


def test_a_refused_decision_counts_nothing_and_has_no_equity() -> None:
    refused = replace(decision(1, {}, {}), outcome="refused", reason="venue down", record={})
    summary = TradeSummary(decision=refused, orders=()).to_json()
    assert (summary["outcome"], summary["reason"], summary["equity"]) == ("refused", "venue down", None)
    assert (summary["forecasts"], summary["vetoed"], summary["dropped"]) == (0, 0, 0)


def test_a_skipped_trade_has_the_keys_of_a_trade_that_mean_something_without_a_decision() -> None:
    skipped = SkippedTrade(as_of=at(1), reason="3600 s late").to_json()
    assert skipped == {
        "decision": None,
        "as_of": "2025-01-02T00:00:00Z",
        "outcome": "skipped",
        "reason": "3600 s late",
        "forecasts": 0,
        "vetoed": 0,
        "dropped": 0,
        "orders": dict.fromkeys(ORDER_COUNTS, 0),
    }
