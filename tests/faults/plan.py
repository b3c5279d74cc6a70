"""The cells of the matrix: an instant of a kill, a fault of the wire, what else goes wrong; and cases of them."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.venue.faults import REQUEST_FAULTS

NONE = "none"
INSTANTS = (
    NONE,
    "before the decision",
    "after the decision",
    "after SUBMITTING",
    "after the send",
    "after the answer",
    "before the ack is stored",
    "between two fills",
    "inside reconcile",
)
FAULTS = (NONE, *REQUEST_FAULTS, "query_lag", "connection_refused")
COMBINATIONS = (
    NONE,
    "task retry",
    "flow retry",
    "second run",
    "another attempt",
    "holder wakes late",
    "reconcile while trade sends",
    "venue restart",
    "database refuses",
    "full disk",
)
TARGETS = ("order", "order", "order", "cancel", "query", "account", "all")
CONTROLS = ("settle", "guard", "lease", "intent")
# In which cells each protection acts: a control is run there and nowhere else.
CONTROL_CELLS = {
    "settle": ((NONE,), ("zombie",), (NONE,)),
    "guard": ((NONE,), ("drop_after", "no_answer_after", "html_502", "empty_body"), (NONE,)),
    "lease": ((NONE,), (NONE,), ("another attempt",)),
    "intent": ((NONE,), (NONE,), ("flow retry",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: reproducible from its number, but for what the machine's scheduler does."""

    number: int
    instant: str
    fault: str
    combination: str
    target: str
    count: int
    nth: int
    delay: float
    production: bool = False
    control: str = ""

    @property
    def cell(self) -> tuple[str, str, str]:
        """Where it lies in the matrix."""
        return self.instant, self.fault, self.combination


def legal_cells(database: str) -> list[tuple[str, str, str]]:
    """Every cell that can happen; PostgreSQL's disk cannot be filled from a client."""
    combinations = [one for one in COMBINATIONS if database == "sqlite" or one != "full disk"]
    return list(itertools.product(INSTANTS, FAULTS, combinations))


def draw_cases(count: int, seed: int, database: str, control: str = "") -> list[Case]:
    """``count`` cases; every legal cell comes once before any comes again."""
    chosen = random.Random(seed)
    cells = list(itertools.product(*CONTROL_CELLS[control])) if control else legal_cells(database)
    order: list[tuple[str, str, str]] = []
    while len(order) < count:
        chosen.shuffle(cells)
        order += cells
    return [_draw(seed * 1_000_000 + number, cell, control) for number, cell in enumerate(order[:count])]


def draw_one(number: int, database: str, control: str = "") -> Case:
    """The case of a number, as :func:`draw_cases` drew it."""
    seed, index = divmod(number, 1_000_000)
    return draw_cases(index + 1, seed, database, control)[index]


def _draw(number: int, cell: tuple[str, str, str], control: str) -> Case:
    chosen = random.Random(number)
    instant, fault, combination = cell
    # Without the lease the second run is to read before the first records (both think 1.5 s), and record after it.
    delays = (0.5, 1.0) if control == "lease" else (0.0, 0.25)
    return Case(
        number=number,
        instant=instant,
        fault=fault,
        combination=combination,
        target="order" if control else chosen.choice(TARGETS),
        count=1 if control else chosen.choice((1, 1, 2, 3)),
        nth=chosen.randint(1, 3),
        delay=chosen.uniform(*delays),
        control=control,
    )


def coverage(
    cases: Sequence[Case], struck: set[tuple[str, str, str]], legal: Sequence[tuple[str, str, str]]
) -> dict[str, object]:
    """How often each instant, fault and combination came, how often each cell, and which legal cells did not.

    ``struck``: the cells in which all that they name came to pass. Some of it cannot: a kill inside the ledger's
    transaction waits for an acknowledgement that a fault of the first request may take away.
    """
    ran = Counter(case.cell for case in cases)
    counts = {
        name: {cell[at]: 0 for cell in legal} | Counter(getattr(case, name) for case in cases)
        for at, name in enumerate(("instant", "fault", "combination"))
    }
    table: dict[str, dict[str, dict[str, int]]] = {}
    for instant, fault, combination in legal:
        row = table.setdefault(instant, {}).setdefault(fault, {})
        row[combination] = ran[instant, fault, combination]
    return {
        **counts,
        "cells": len(ran),
        "cells_struck": len(struck),
        "legal_cells": len(legal),
        "empty_cells": sum(not ran[cell] for cell in legal),
        "table": table,
    }


# When the flow's process is killed: once the ledger has a row of this kind, and a few milliseconds more.
FLOW_MOMENTS = {
    NONE: "",
    "lease taken": "SELECT count(*) FROM leases",
    "decision recorded": "SELECT count(*) FROM decisions",
    "first order sent": "SELECT count(*) FROM order_events WHERE state = 'submitting'",
    "first order answered": "SELECT count(*) FROM order_events WHERE state NOT IN ('planned', 'submitting')",
    "first fill stored": "SELECT count(*) FROM fills",
}
FLOW_FAULTS = (NONE, "drop_after", "no_answer_after", "html_502", "error_1007_after", "zombie", "query_lag")
FLOW_COMBINATIONS = (NONE, "second run", "runner dies too")


def flow_cells() -> list[tuple[str, str, str]]:
    """Every cell of the whole flows' matrix: when the process is killed, what the wire does, what happens beside it."""
    return list(itertools.product(FLOW_MOMENTS, FLOW_FAULTS, FLOW_COMBINATIONS))


def draw_flow_cases(count: int, seed: int) -> list[Case]:
    """``count`` cases; every moment, fault and combination comes once before any comes again."""
    chosen = random.Random(seed)
    cells = flow_cells()
    order: list[tuple[str, str, str]] = []
    while len(order) < count:
        chosen.shuffle(cells)
        order += cells
    return [
        Case(
            number=seed * 1_000_000 + 500_000 + number,
            instant=instant,
            fault=fault,
            combination=combination,
            target="order",
            count=1,
            nth=1,
            delay=chosen.uniform(0, 0.05),
        )
        for number, (instant, fault, combination) in enumerate(order[:count])
    ]
