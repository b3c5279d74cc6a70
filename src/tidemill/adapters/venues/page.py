"""The capability table for people: the part of docs/venues.md that is made from the rows.

``python -m tidemill.adapters.venues.page docs/venues.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tidemill.ports.capabilities import Fact, VenueCall, VenueCapability

BEGIN = "<!-- the rows, made by: python -m tidemill.adapters.venues.page docs/venues.md -->"
END = "<!-- end of the rows -->"
FACTS = (
    "venue",
    "client order id",
    "may return",
    "query after its end",
    "refuses what comes late by",
    "absence proven after",
    "source",
    "missing before live",
)
CALLS = ("venue", "create", "query", "cancel", "signed with the recorded time by")


def render_rows(rows: Iterable[VenueCapability]) -> str:
    """Both tables, between their marks."""
    lines = tuple(rows)
    facts = _table(FACTS, (_facts(row) for row in lines))
    calls = _table(CALLS, (_calls(row) for row in lines))
    return f"{BEGIN}\n\n### What is known\n\n{facts}\n\n### How ccxt is called\n\n{calls}\n\n{END}"


def replace_rows(page: str, rows: Iterable[VenueCapability]) -> str:
    """The page with the part between the marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + render_rows(rows) + after


def _facts(row: VenueCapability) -> Iterator[str]:
    yield row.exchange
    yield f"`{row.client_id_parameter}`: {_fact(row.client_id_rule)}"
    yield _fact(row.uniqueness)
    yield _fact(row.query_after_close)
    yield "nothing" if row.deadline is None else _fact(row.deadline)
    yield f"{row.timing().visibility_seconds:g} s = window {row.window_ms / 1000:g} + its own {_waits(row)}"
    yield row.sources
    yield "; ".join(row.missing) or "nothing"


def _calls(row: VenueCapability) -> Iterator[str]:
    yield row.exchange
    yield _call(row.create)
    yield ", then ".join(_call(query) for query in row.queries)
    yield _call(row.cancel)
    ways = ["the client's clock, set for this one request"] if row.signs_with_clock else []
    ways += [f"header `{name}: {value}`" for name, value in row.headers.items()]
    ways += [f"param `{name}`" for name, value in row.create.params.items() if _is_time(value)]
    yield ", ".join(ways) or "nothing"


def _is_time(value: str | bool) -> bool:
    return str(value) in {"{sent_ms}", "{window_ms}", "{until_ms}", "{until_iso}"}


def _fact(fact: Fact) -> str:
    return f"{fact.text} ({fact.basis})" if fact.text != fact.basis else fact.text


def _waits(row: VenueCapability) -> str:
    return f"{row.internal_timeout_seconds:g} ({row.internal_timeout_basis}) + margin {row.margin_seconds:g}"


def _call(call: VenueCall) -> str:
    arguments = [f"{name}={value}" for name, value in call.arguments.items() if name != "symbol" and value]
    return f"`{call.method}({', '.join([*arguments, _params(call.params)])})`"


def _params(params: Mapping[str, str | bool]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in params.items()) + "}"


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    names = tuple(head)
    written = [names, ("---",) * len(names), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in written)


if __name__ == "__main__":
    from tidemill.adapters.venues.capabilities import CAPABILITIES

    target = Path(sys.argv[1])
    target.write_text(replace_rows(target.read_text(), CAPABILITIES.values()))
