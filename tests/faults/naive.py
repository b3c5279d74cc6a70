"""The same faults against a plain client: what "try again on a network error" does to orders.

It is the code that many bots have: ccxt, three tries on NetworkError, a file of what was placed, and a supervisor that
starts it again. Nothing in it is exaggerated; it has no order ids of its own, since ccxt makes one for each call.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from case import SILENT_SECONDS, SPELL_SECONDS
from plan import FAULTS, NONE, Case
from rig import Process, Venue
from story import LEGS, OPENING

INSTANTS = (NONE, "after the send", "after the answer")
TRIES = 3
MOST_STARTS = 5


def draw_naive_cases(count: int, seed: int) -> list[Case]:
    """``count`` cases on orders: every fault of the wire with every instant once before any comes again."""
    chosen = random.Random(seed)
    cells = list(itertools.product(INSTANTS, FAULTS))
    order: list[tuple[str, str]] = []
    while len(order) < count:
        chosen.shuffle(cells)
        order += cells
    return [
        Case(
            number=seed * 1_000_000 + 700_000 + number,
            instant=instant,
            fault=fault,
            combination=NONE,
            target="order",
            count=chosen.choice((1, 1, 2, 3)),
            nth=chosen.randint(1, 3),
            delay=0.0,
        )
        for number, (instant, fault) in enumerate(order[:count])
    ]


def run_naive_cases(cases: Sequence[Case], folder: Path, on_case: Callable[[], None] = lambda: None) -> dict[str, int]:
    """Count over all cases: orders intended, orders too many, orders never placed, orders that the client forgot."""
    venue = Venue(folder)
    venue.admin("POST", "clock", {"now": "2013-02-13T00:00:45Z"})
    total: Counter[str] = Counter()
    try:
        for case in cases:
            total += _run_case(case, venue, folder)
            on_case()
    finally:
        venue.stop()
    names = ("cases", "cases with damage", "intended", "duplicates", "lost", "unknown to it")
    return {name: total[name] for name in names}


def _run_case(case: Case, venue: Venue, folder: Path) -> Counter[str]:
    account = f"n{case.number}"
    balances = {asset: str(amount) for asset, amount in OPENING.items()}
    venue.admin("POST", "accounts", {"key": account, "secret": f"secret{account}", "balances": balances})
    if case.fault != NONE:
        seconds = SPELL_SECONDS.get(case.fault, SILENT_SECONDS)
        body = {"fault": case.fault, "seconds": seconds}
        venue.admin(
            "POST",
            "faults",
            body if case.fault == "connection_refused" else body | {"on": "order", "count": case.count},
        )
    placed = folder / f"{account}.json"
    for start in range(MOST_STARTS):
        instant = case.instant if start == 0 else NONE
        process = Process(lambda at=instant: trade(venue.rest, account, placed, at, case.nth), folder / "naive.log")
        process.wait()
        if process.done:
            break
    time.sleep(SPELL_SECONDS["late"])
    venue.admin("DELETE", "faults")
    return _count(venue.admin("GET", f"truth?key={account}")["orders"], placed)


def _count(orders: Sequence[dict[str, Any]], placed: Path) -> Counter[str]:
    known = json.loads(placed.read_text()) if placed.exists() else {}
    by_base = Counter(one["symbol"].partition("-")[0] for one in orders)
    counts = Counter(
        {
            "cases": 1,
            "intended": len(LEGS),
            "duplicates": sum(max(0, by_base[base] - 1) for base, *_ in LEGS),
            "lost": sum(by_base[base] == 0 for base, *_ in LEGS),
            "unknown to it": sum(str(one["orderId"]) not in known.values() for one in orders),
        }
    )
    counts["cases with damage"] = int(any(counts[name] for name in ("duplicates", "lost", "unknown to it")))
    return counts


def trade(rest: str, account: str, placed: Path, instant: str, nth: int) -> None:
    """The plain client: place what the file does not have yet, and write it down."""
    import ccxt

    urls = {"api": dict.fromkeys(("public", "private", "v1", "sapi"), f"{rest}/api/v3")}
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    client = ccxt.binance(
        {"apiKey": account, "secret": f"secret{account}", "urls": urls, "options": options, "timeout": 1000}
    )
    known = json.loads(placed.read_text()) if placed.exists() else {}
    left = nth
    for base, side, time_in_force, quantity, limit in LEGS:
        if base in known:
            continue
        extra = {"timeInForce": str(time_in_force)}
        for attempt in range(TRIES):
            try:
                order = client.create_order(
                    f"{base}/USD", "limit", str(side).lower(), float(quantity), float(limit), extra
                )
                break
            except ccxt.NetworkError:
                if attempt == TRIES - 1:
                    raise
        left -= 1
        if instant == "after the send" and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        known[base] = order["id"]
        placed.write_text(json.dumps(known))
        if instant == "after the answer" and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
