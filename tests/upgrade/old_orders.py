"""On the old code: orders in every state in which a process can die, with the venue's truth of each.

Open: a limit that rests. Unknown: sent and filled, its answer lost. Submitting: one sent and filled, one never sent.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import tidemill
from tidemill.bootstrap import services
from tidemill.domain.trading import (
    Decision,
    LedgerOrder,
    OrderIntent,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from tidemill.execution import DecisionKey, Desk, hold_lease, place_order

AS_OF = datetime(2013, 2, 13, 0, 1, 30, tzinfo=UTC)
LEGS = (
    ("open", "GOOG-USD.SAMPLE", TimeInForce.GTC, "2", "100"),
    ("unknown", "IBM-USD.SAMPLE", TimeInForce.IOC, "5", "220"),
    ("submitting", "MSFT-USD.SAMPLE", TimeInForce.IOC, "20", "30"),
    ("unsent", "AAPL-USD.SAMPLE", TimeInForce.IOC, "3", "520"),
)


def make_intents(key: DecisionKey) -> list[OrderIntent]:
    return [
        OrderIntent(
            intent_id=f"old-{name}",
            decision_id=key.decision_id,
            account=key.account,
            instrument=instrument,
            leg=leg,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=time_in_force,
            quantity=Decimal(quantity),
            limit_price=Decimal(limit),
            client_order_id=f"old-{name}",
            expires_at=key.expires_at,
        )
        for leg, (name, instrument, time_in_force, quantity, limit) in enumerate(LEGS)
    ]


def make_decision(key: DecisionKey, ledger_sequence: int) -> Decision:
    return Decision(
        decision_id=key.decision_id,
        account=key.account,
        strategy=key.strategy,
        as_of=key.as_of,
        attempt=0,
        mode="replay",
        outcome="decided",
        reason="",
        model="trend",
        model_version="",
        limits_version="1",
        ledger_sequence=ledger_sequence,
        store_watermark=0,
        market_time=key.as_of,
        wall_time=datetime.now(UTC),
        record={"equity": "100000"},
    )


def send(desk: Desk, order: LedgerOrder) -> None:
    """What place_order sends, its answer thrown away."""
    assert order.sent_at is not None
    assert order.window_ms is not None
    intent = order.intent
    request = OrderRequest(
        client_order_id=intent.client_order_id,
        instrument=intent.instrument,
        side=intent.side,
        order_type=intent.order_type,
        time_in_force=intent.time_in_force,
        quantity=order.quantity,
        limit_price=intent.limit_price,
        sent_at=order.sent_at,
        window_ms=order.window_ms,
    )
    placement = desk.broker.place_order(request)
    assert placement.order is not None, placement


def begin(desk: Desk, name: str, epoch: int) -> LedgerOrder:
    order = desk.ledger.begin_submit(name, epoch=epoch, window_ms=desk.timing.window_ms, stamp=desk.stamp())
    assert order is not None
    return order


def main() -> None:
    desk = services().desk
    key = DecisionKey(
        account=desk.account, strategy="trend", as_of=AS_OF, attempt=0, expires_at=AS_OF + timedelta(days=1)
    )
    with hold_lease(desk.ledger, desk.account, "old", ttl_seconds=60, clock=desk.wall_clock) as epoch:
        sequence = desk.ledger.load_portfolio(desk.account).ledger_sequence
        desk.ledger.record_decision(make_decision(key, sequence), make_intents(key), epoch=epoch)
        assert place_order(desk, "old-open", epoch=epoch).state is OrderState.OPEN
        send(desk, begin(desk, "old-unknown", epoch))
        desk.ledger.record_state("old-unknown", OrderState.UNKNOWN, stamp=desk.stamp(), reason="not answered")
        send(desk, begin(desk, "old-submitting", epoch))
        begin(desk, "old-unsent", epoch)
    print(tidemill.__file__, flush=True)
    os._exit(0)  # nothing is closed


main()
