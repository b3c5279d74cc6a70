"""What the ledger's tests do again and again: a lease, orders placed, what a venue tells of them."""

from __future__ import annotations

from decimal import Decimal

from support.ledger_story import BTC, NOW, STAMP, decision, intent

from tidemill.adapters.sql.ledger.ledger import SqlLedger
from tidemill.domain.portfolio import Account
from tidemill.domain.trading import (
    Fill,
    OrderIntent,
    OrderState,
    Side,
    VenueOrder,
)
from tidemill.memory.ledger import MemoryLedger

LONG = 10**6


def opened(backend: str, tmp_path, request):
    """A ledger on ``backend`` with the account ``a``, which has 1,000 USDT."""
    if backend == "memory":
        made = MemoryLedger()
    elif backend == "sqlite":
        made = SqlLedger(f"sqlite:///{tmp_path / 'ops.db'}")
    else:
        made = SqlLedger(request.getfixturevalue("postgres_database"))
    account = Account(account="a", venue="T", currency="USDT", opened_at=NOW)
    made.open_account(account, {"USDT": Decimal(1000)}, stamp=STAMP)
    return made


def lease(ledger) -> int:
    epoch = ledger.acquire("a", "me", ttl_seconds=LONG, now=NOW)
    assert epoch is not None
    return epoch


def placed(ledger, *intents: OrderIntent, number: int = 0) -> int:
    epoch = lease(ledger)
    assert ledger.record_decision(decision(number), intents or (intent(number),), epoch=epoch)
    return epoch


def order(ledger, name: str = "i0l0"):
    return ledger.load_orders(intent_id=name)[0]


def fill(trade: str = "1", quantity: str = "2", price: str = "100", fee: str = "0.002", side: Side = Side.BUY) -> Fill:
    return Fill(
        trade_id=trade,
        venue_order_id="77",
        instrument=BTC,
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        fee=Decimal(fee),
        fee_asset="BTC",
        traded_at=NOW,
    )


def venue_order(state: OrderState, filled: str = "0") -> VenueOrder:
    return VenueOrder(
        venue_order_id="77",
        client_order_id="i0l0",
        instrument=BTC,
        side=Side.BUY,
        state=state,
        quantity=Decimal(2),
        filled=Decimal(filled),
        limit_price=Decimal("100.5"),
        placed_at=NOW,
    )
