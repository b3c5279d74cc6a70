"""Why an order exists, from the ledger alone: found by each of its names, and with what was stored by then."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from support.ledger_steps import fill, lease, opened, order, placed, venue_order
from support.ledger_story import BTC, NOW, STAMP, decision, intent

from tidemill.domain.errors import DataError
from tidemill.domain.market import to_micros
from tidemill.domain.trading import OrderState
from tidemill.lineage import explain
from tidemill.memory.ledger import MemoryLedger
from tidemill.ports import StoredPayload

WATERMARK = to_micros(NOW)
RECORD = {
    "equity": "1000.10",
    "environment": {"python": "3.11"},
    "vetoes": [{"instrument": BTC, "limit": "order"}, {"instrument": "ETH-USDT.T", "limit": "gross"}],
    "approved": [{"instrument": BTC, "quantity": "2"}],
    "wanted": [{"instrument": BTC, "quantity": "9"}],
    "forecasts": [{"instrument": "ETH-USDT.T", "strength": 1.0}, {"instrument": BTC, "strength": 0.5}],
    "features": {BTC: {"ret_1": 0.25}},
    "model": None,
    "rule": "trend",
    "decided_open": "2020-12-31T23:00:00Z",
    "prices": {BTC: "100"},
    "bars_read": 400,
    "scores_read": 0,
}


class Payloads:
    """Raw answers by source, each with the moment at which it was stored."""

    def __init__(self, **stored: Sequence[int]) -> None:
        self._stored = {name.replace("_", " "): times for name, times in stored.items()}

    def find_payloads(self, source: str, *, stored_until: int) -> Sequence[StoredPayload]:
        times = self._stored.get(source, ())
        return [
            StoredPayload(source=source, request="", digest=f"{source}@{time}", stored_at=time)
            for time in sorted(times, reverse=True)
            if time <= stored_until
        ]


class EveryPayload(Payloads):
    """A control: it forgets the watermark, and tells of what came later."""

    def find_payloads(self, source: str, *, stored_until: int) -> Sequence[StoredPayload]:
        return super().find_payloads(source, stored_until=2**62)


def filled_ledger() -> MemoryLedger:
    """One decision with two buys, of which the first was filled in two parts."""
    ledger = opened("memory", None, None)
    epoch = lease(ledger)
    recorded = decision(0, record=RECORD, store_watermark=WATERMARK)
    assert ledger.record_decision(recorded, (intent(0, 0), intent(0, 1)), epoch=epoch)
    ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=STAMP)
    ledger.record_state("i0l0", OrderState.FILLED, stamp=STAMP, order=venue_order(OrderState.FILLED, "2"))
    ledger.record_fills("a", [fill("1", "1.5"), fill("2", "0.5")], stamp=STAMP)
    return ledger


LEDGER = filled_ledger()
NOTHING = Payloads()


@pytest.mark.parametrize("identity", ["i0l0", "77"])
def test_an_order_is_found_by_our_name_and_by_the_venue_s(identity: str) -> None:
    explanation = explain(identity, ledger=LEDGER, payloads=NOTHING, account="a")
    assert explanation.decision.decision_id == "d0"
    assert [item.order.intent.intent_id for item in explanation.orders] == ["i0l0"]


def test_a_decision_is_explained_with_all_its_orders() -> None:
    explanation = explain("d0", ledger=LEDGER, payloads=NOTHING, account="a")
    assert [item.order.intent.intent_id for item in explanation.orders] == ["i0l0", "i0l1"]


def test_a_decision_without_orders_is_explained_all_the_same() -> None:
    ledger = opened("memory", None, None)
    ledger.record_decision(decision(3, outcome="refused", reason="no bars", record={}), (), epoch=lease(ledger))
    lineage = explain("d3", ledger=ledger, payloads=NOTHING, account="a").to_json()
    assert lineage["orders"] == []
    assert (lineage["decision"]["outcome"], lineage["decision"]["reason"], lineage["decision"]["equity"]) == (
        "refused",
        "no bars",
        None,
    )


@pytest.mark.parametrize("identity", ["", "d9", "i9l9", "78"])
def test_a_name_that_nothing_has_is_refused(identity: str) -> None:
    with pytest.raises(DataError, match=f"account 'a' knows no order or decision '{identity}'"):
        explain(identity, ledger=LEDGER, payloads=NOTHING, account="a")


def test_the_fills_add_up_to_what_the_order_has() -> None:
    (lineage,) = explain("i0l0", ledger=LEDGER, payloads=NOTHING, account="a").to_json()["orders"]
    assert sum(Decimal(row["quantity"]) for row in lineage["fills"]) == order(LEDGER).filled == 2
    assert [row["trade_id"] for row in lineage["fills"]] == ["1", "2"]
    assert {row["traded_at"] for row in lineage["fills"]} == {"2021-01-01T00:00:00Z"}
    assert [row["state"] for row in lineage["events"]] == ["planned", "submitting", "filled"]


def test_only_what_concerns_the_instrument_is_told_of_limits_and_forecasts() -> None:
    (lineage,) = explain("i0l0", ledger=LEDGER, payloads=NOTHING, account="a").to_json()["orders"]
    assert lineage["limits"]["applied"] == [{"instrument": BTC, "limit": "order"}]
    assert lineage["limits"]["wanted"] == [{"instrument": BTC, "quantity": "9"}]
    assert lineage["forecast"] == {"instrument": BTC, "strength": 0.5}
    assert lineage["features"] == {"ret_1": 0.25}
    assert lineage["model"] == {"rule": "trend", "code": ""}
    assert lineage["data"] == {
        "watermark": "2021-01-01T00:00:00Z",
        "decided_bar": "2020-12-31T23:00:00Z",
        "close": "100",
        "bars_read": 400,
        "scores_read": 0,
    }


def test_of_each_source_the_newest_answer_that_was_there_by_then_is_told() -> None:
    stored = {f"bars {BTC}": [WATERMARK - 9, WATERMARK, WATERMARK + 1], "posts reddit": [WATERMARK + 5]}
    payloads = Payloads(**stored)
    (lineage,) = explain("i0l0", ledger=LEDGER, payloads=payloads, account="a").to_json()["orders"]
    assert [(row["source"], row["stored_at"]) for row in lineage["raw"]] == [(f"bars {BTC}", WATERMARK)]
    # the control tells of answers that the decision cannot have read
    (late,) = explain("i0l0", ledger=LEDGER, payloads=EveryPayload(**stored), account="a").to_json()["orders"]
    assert [row["stored_at"] for row in late["raw"]] == [WATERMARK + 1, WATERMARK + 5]


def test_an_order_that_never_left_has_no_fill_and_no_name_at_the_venue() -> None:
    ledger = opened("memory", None, None)
    epoch = placed(ledger)
    assert ledger.is_held("a", epoch, now=NOW)
    (item,) = explain("d0", ledger=ledger, payloads=NOTHING, account="a").orders
    assert (item.order.venue_order_id, item.fills, len(item.events)) == (None, (), 1)
