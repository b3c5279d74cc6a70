"""Decisions and orders of the ledger: one suite for it in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.ledger_steps import LONG, lease, opened, order, placed
from support.ledger_story import BTC, NOW, STAMP, decision, intent

from tidemill.domain.errors import LeaseLost, OrderExpired, TradingError, TradingStopped
from tidemill.domain.market import Stamp
from tidemill.domain.trading import (
    LEGAL_MOVES,
    OrderState,
)


@pytest.fixture
def ledger(backend: str, tmp_path, request) -> Iterator[object]:
    made = opened(backend, tmp_path, request)
    yield made
    made.close()


def test_a_decision_is_recorded_once(ledger) -> None:
    epoch = placed(ledger)
    assert not ledger.record_decision(decision(), (intent(),), epoch=epoch)
    assert ledger.load_decision("d0").record["features"] == {BTC: {"x": 0.1}}
    assert [one.intent.intent_id for one in ledger.load_orders(decision_id="d0")] == ["i0l0"]
    assert ledger.load_portfolio("a").peak_equity == Decimal("1000.10")


def test_a_stale_epoch_records_and_sends_nothing(ledger) -> None:
    old = placed(ledger)
    ledger.release("a", "me", old)
    new = ledger.acquire("a", "other", ttl_seconds=LONG, now=NOW)
    assert new == old + 1
    with pytest.raises(LeaseLost):
        ledger.begin_submit("i0l0", epoch=old, window_ms=5000, stamp=STAMP)
    with pytest.raises(LeaseLost):
        ledger.record_decision(decision(1), (), epoch=old)
    assert order(ledger).state is OrderState.PLANNED
    # the control: with the epoch that holds, the same send goes through
    assert ledger.begin_submit("i0l0", epoch=new, window_ms=5000, stamp=STAMP).state is OrderState.SUBMITTING


def test_an_intent_is_added_once_to_its_decision(ledger) -> None:
    epoch = placed(ledger)
    more = intent(0, leg=1000)
    before = ledger.load_portfolio("a").ledger_sequence
    assert ledger.add_intent(more, epoch=epoch, stamp=STAMP)
    assert not ledger.add_intent(replace(more, quantity=Decimal(9)), epoch=epoch, stamp=STAMP)
    assert [one.quantity for one in ledger.load_orders(decision_id="d0")] == [Decimal(2), Decimal(2)]
    assert [one.state for one in ledger.load_order_events("i0l1000")] == ["planned"]
    assert ledger.load_portfolio("a").ledger_sequence == before + 1
    sent = ledger.begin_submit("i0l1000", epoch=epoch, window_ms=5000, stamp=STAMP)
    assert sent.state is OrderState.SUBMITTING
    ledger.record_state("i0l1000", OrderState.NOT_PLACED, stamp=STAMP, expected=sent)
    ledger.record_decision(decision(1), (intent(1),), epoch=epoch)
    assert not ledger.add_intent(more, epoch=epoch, stamp=STAMP)


def test_an_intent_is_added_to_a_decision_of_its_account_under_its_lease(ledger) -> None:
    epoch = placed(ledger)
    with pytest.raises(TradingError, match="no decision d9"):
        ledger.add_intent(replace(intent(0, leg=7), decision_id="d9"), epoch=epoch, stamp=STAMP)
    other = ledger.acquire("b", "me", ttl_seconds=LONG, now=NOW)
    with pytest.raises(TradingError, match="account b has no decision d0"):
        ledger.add_intent(replace(intent(0, leg=7), account="b"), epoch=other, stamp=STAMP)
    with pytest.raises(LeaseLost):
        ledger.add_intent(intent(0, leg=7), epoch=epoch + 1, stamp=STAMP)
    assert len(ledger.load_orders(account="a")) == 1


def test_what_an_older_send_came_to_changes_no_newer_one(ledger) -> None:
    epoch = placed(ledger)
    planned = order(ledger)
    first = ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=STAMP)
    ledger.record_state("i0l0", OrderState.NOT_PLACED, stamp=STAMP, reason="expired", expected=planned)
    assert order(ledger) == first
    ledger.record_state("i0l0", OrderState.UNKNOWN, stamp=STAMP, reason="no answer", expected=first)
    later = Stamp(market=NOW, wall=NOW + timedelta(microseconds=1))
    second = ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=later, absent=first)
    for state in (OrderState.REJECTED, OrderState.NOT_PLACED, OrderState.UNKNOWN):
        ledger.record_state("i0l0", state, stamp=later, reason="of the first", expected=first)
        assert order(ledger) == second
    # the control: told of the send that it is about, the same is written
    ledger.record_state("i0l0", OrderState.REJECTED, stamp=later, reason="-2010", expected=second)
    assert order(ledger).state is OrderState.REJECTED


def test_a_send_stores_its_time_and_window(ledger) -> None:
    epoch = placed(ledger)
    sent = ledger.begin_submit("i0l0", epoch=epoch, window_ms=4000, stamp=STAMP)
    assert (sent.sent_at, sent.window_ms, sent.state) == (NOW, 4000, OrderState.SUBMITTING)
    events = ledger.load_order_events("i0l0")
    assert ledger.begin_submit("i0l0", epoch=epoch, window_ms=3000, stamp=STAMP) is None
    assert ledger.begin_submit("i0l0", epoch=epoch, window_ms=3000, stamp=STAMP, absent=sent) is None
    assert order(ledger) == sent
    assert ledger.load_order_events("i0l0") == events
    with pytest.raises(TradingError, match="no intent nothing"):
        ledger.begin_submit("nothing", epoch=epoch, window_ms=4000, stamp=STAMP)


def test_an_order_is_sent_again_only_when_its_last_send_is_proven_absent(ledger) -> None:
    epoch = placed(ledger)
    first = ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=STAMP)
    ledger.record_state("i0l0", OrderState.UNKNOWN, stamp=STAMP, reason="no answer")
    later, last = (Stamp(market=NOW, wall=NOW + timedelta(seconds=one)) for one in (1, 2))
    assert ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=later) is None
    second = ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=later, absent=first)
    assert (second.state, second.sent_at) == (OrderState.SUBMITTING, later.wall)
    ledger.record_state("i0l0", OrderState.UNKNOWN, stamp=later, reason="no answer")
    # another process knows only that the first send left no trace
    assert ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=last, absent=first) is None
    assert order(ledger).sent_at == later.wall
    # the control: the proof of the send that is meant
    assert ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=last, absent=second) is not None


@pytest.mark.parametrize("scope", ["*", "a", BTC])
def test_a_stop_forbids_the_send_until_it_is_lifted(ledger, scope: str) -> None:
    epoch = placed(ledger)
    assert ledger.freeze(scope, "because", stamp=STAMP)
    assert not ledger.freeze(scope, "again", stamp=STAMP)
    with pytest.raises(TradingStopped, match="because"):
        ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=STAMP)
    assert [one.scope for one in ledger.load_freezes()] == [scope]
    assert ledger.resume(scope, "looked at it", stamp=STAMP)
    assert not ledger.resume(scope, "again", stamp=STAMP)
    ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=STAMP)


def test_an_expired_intent_is_not_sent(ledger) -> None:
    epoch = placed(ledger)
    late = Stamp(market=NOW + timedelta(hours=1), wall=NOW)
    with pytest.raises(OrderExpired, match="expired"):
        ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=late)
    assert order(ledger).state is OrderState.PLANNED


def test_a_later_decision_ends_what_was_not_sent(ledger) -> None:
    epoch = placed(ledger)
    ledger.record_decision(decision(1), (intent(1),), epoch=epoch)
    assert order(ledger).state is OrderState.NOT_PLACED
    assert "later decision" in order(ledger).reason


@pytest.mark.parametrize("state", [OrderState.SUBMITTING, OrderState.UNKNOWN])
def test_no_new_orders_while_one_is_in_doubt(ledger, state: OrderState) -> None:
    epoch = placed(ledger)
    ledger.begin_submit("i0l0", epoch=epoch, window_ms=5000, stamp=STAMP)
    if state is OrderState.UNKNOWN:
        ledger.record_state("i0l0", state, stamp=STAMP, reason="no answer")
    with pytest.raises(TradingError, match="not resolved"):
        ledger.record_decision(decision(1), (intent(1),), epoch=epoch)
    refusal = decision(1, outcome="refused", reason="in doubt")
    assert ledger.record_decision(refusal, (), epoch=epoch)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.sampled_from(sorted(OrderState)), max_size=8), seed=st.integers(0, 10**12))
def test_only_legal_moves_are_written(ledger, moves: list[OrderState], seed: int) -> None:
    """The table in the domain is the rule; illegal moves raise and change nothing; the story only grows."""
    number = seed + 10
    while ledger.load_decision(f"d{number}"):
        number += 1
    epoch = lease(ledger)
    ledger.record_decision(
        replace(decision(), decision_id=f"d{number}", as_of=NOW + timedelta(microseconds=number)),
        (replace(intent(), intent_id=f"x{number}", client_order_id=f"x{number}", decision_id=f"d{number}"),),
        epoch=epoch,
    )
    state, events = OrderState.PLANNED, 1
    for move in moves:
        before = ledger.load_order_events(f"x{number}")
        if move is state:
            continue
        if move in LEGAL_MOVES[state]:
            ledger.record_state(f"x{number}", move, stamp=STAMP)
            state, events = move, events + 1
        else:
            with pytest.raises(TradingError):
                ledger.record_state(f"x{number}", move, stamp=STAMP)
        after = ledger.load_order_events(f"x{number}")
        assert list(after)[: len(before)] == list(before)
    found = order(ledger, f"x{number}")
    story = ledger.load_order_events(f"x{number}")
    assert found.state is state
    assert len(story) == events
    assert story[-1].state == state
    ledger.record_decision(
        replace(decision(), decision_id=f"e{number}", as_of=NOW + timedelta(microseconds=number), attempt=1),
        (),
        epoch=epoch,
    )
    if found.state in {OrderState.SUBMITTING, OrderState.UNKNOWN}:
        ledger.record_state(f"x{number}", OrderState.NOT_PLACED, stamp=STAMP)


def test_orders_sent_since_leave_out_what_never_left_and_what_left_before(ledger) -> None:
    epoch = placed(ledger, intent(0), intent(0, leg=1))
    ledger.begin_submit("i0l0", epoch=epoch, window_ms=500, stamp=STAMP)
    assert [one.intent.intent_id for one in ledger.load_orders(account="a", sent_since=NOW)] == ["i0l0"]
    assert not ledger.load_orders(account="a", sent_since=NOW + timedelta(microseconds=1))
    assert not ledger.load_orders(account="a", sent_since=NOW, states=(OrderState.FILLED,))
