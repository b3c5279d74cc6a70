"""`tidemill parity`: one period through flows and wire, and through the backtest, compared to the last unit."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from tidemill.backtest import fees_in_currency, run_backtest
from tidemill.bootstrap import Services, make_backtest_plan
from tidemill.domain.trading import Fill, LedgerOrder
from tidemill.replay.demo import replay_recording
from tidemill.replay.plan import ReplayOptions, make_plan
from tidemill.replay.summary import final_equity
from tidemill.settings import Settings


def run_parity(options: ReplayOptions, base: Settings, *, console: Console, json_path: Path | None) -> int:
    """Run both and compare; the exit code (1 on any difference or a failed step)."""
    plan = make_plan(options, base)
    with ExitStack() as stack:
        services, summary = replay_recording(plan, base, console=console, stack=stack)
        settings = services.settings
        backtest = run_backtest(
            plan.recording, make_backtest_plan(settings, plan.recording, plan.grid, start=plan.start, end=plan.end)
        )
        result = compare(services, backtest.orders, backtest.fills)
        result["equity_difference"] = _plain(abs(final_equity(services, plan) - backtest.equity[-1][1]))
        services.close()
    result["failures"] = summary["failures"]
    if json_path is not None:
        json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    _show(console, result)
    return 0 if is_equal(result) else 1


def compare(services: Services, orders: Sequence[LedgerOrder], fills: Sequence[Fill]) -> dict[str, Any]:
    """Count equal and different intents and fills, and tell the first difference.

    Fills are told by their intent, not by trade id: intents of one decision are sent at the same time,
    so the venue numbers their trades in the order of arrival.
    """
    account = services.settings.account
    live_orders, live_fills = services.ledger.load_orders(account=account), services.ledger.load_fills(account)
    intents = _compare(Counter(map(_intent_key, live_orders)), Counter(map(_intent_key, orders)))
    filled = _compare(_fill_keys(live_orders, live_fills), _fill_keys(orders, fills))
    first = next(iter([*intents.pop("first"), *filled.pop("first")]), None)
    return {
        "intents": intents,
        "fills": filled,
        "fees_difference": _plain(abs(fees_in_currency(live_fills) - fees_in_currency(fills))),
        "first_difference": first,
    }


def is_equal(result: dict[str, Any]) -> bool:
    """Whether nothing at all differs."""
    counts = result["intents"]["different"] + result["fills"]["different"] + len(result["failures"])
    return counts == 0 and Decimal(result["fees_difference"]) == 0 and Decimal(result["equity_difference"]) == 0


def _compare(left: Counter[tuple[str, ...]], right: Counter[tuple[str, ...]]) -> dict[str, Any]:
    missing, added = left - right, right - left
    different = sorted([*missing, *added])
    first = [{"in": "replay" if one in missing else "backtest", "what": list(one)} for one in different[:1]]
    # an entry that differs stands on both sides and is one difference; one that is missing is one as well
    count = max(missing.total(), added.total())
    return {"same": (left & right).total(), "different": count, "first": first}


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _intent_key(order: LedgerOrder) -> tuple[str, ...]:
    intent = order.intent
    return (
        intent.intent_id,
        intent.instrument,
        str(intent.side),
        _plain(intent.quantity),
        _plain(intent.limit_price or Decimal(0)),
        str(order.state),
    )


def _fill_keys(orders: Sequence[LedgerOrder], fills: Sequence[Fill]) -> Counter[tuple[str, ...]]:
    intents = {order.venue_order_id: order.intent.intent_id for order in orders}
    return Counter(
        (
            intents.get(fill.venue_order_id, fill.venue_order_id),
            fill.instrument,
            str(fill.side),
            *(_plain(one) for one in (fill.price, fill.quantity, fill.fee)),
            fill.fee_asset,
        )
        for fill in fills
    )


def _show(console: Console, result: dict[str, Any]) -> None:
    for kind in ("intents", "fills"):
        console.print(f"{kind}: {result[kind]['same']} the same, {result[kind]['different']} different")
    console.print(f"fees differ by {result['fees_difference']}, equity by {result['equity_difference']}")
    if result["first_difference"]:
        console.print(f"first difference: {result['first_difference']}")
