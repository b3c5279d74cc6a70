"""Faults on demand: what networks and exchanges do to requests and streams, by name.

Each text says on which side of the work the fault lies: before it nothing was done, after it the order stands though
the client cannot know. ``seed`` makes a fault come by chance, but the same in every run.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tidemill.domain.errors import DataError

KINDS = ("order", "cancel", "query", "account", "market", "stream", "all")

REQUEST_FAULTS = {
    "drop_before": "the connection is cut and nothing was done",
    "drop_after": "the connection is cut after the request was done",
    "no_answer_before": "silence, and nothing was done",
    "no_answer_after": "silence after the request was done",
    "late": "done some seconds later, with a late answer",
    "zombie": "the connection is cut at once, and the request is done some seconds later all the same",
    "html_502": "a gateway's HTML page with status 502 after the request was done",
    "html_502_before": "a gateway's HTML page with status 502, and nothing was done",
    "html_200": "an HTML page with status 200 after the request was done",
    "forbidden_403": "a firewall's HTML page with status 403, and nothing was done",
    "truncated_body": "half of the announced answer, then the line is cut, after the request was done",
    "truncated_json": "half of the JSON as a whole answer after the request was done",
    "empty_body": "an empty answer after the request was done",
    "error_1006_before": "-1006 unexpected response, and nothing was done",
    "error_1006_after": "-1006 unexpected response after the request was done",
    "error_1007_before": "-1007 timeout, and nothing was done",
    "error_1007_after": "-1007 timeout after the request was done",
    "error_1008": "-1008 overloaded, and nothing was done",
    "error_1021": "-1021 outside of the window, and nothing was done",
    "too_many_429": "429 with Retry-After, and nothing was done",
    "too_many_orders": "-1015 too many new orders, and nothing was done",
    "banned_418": "418 with Retry-After, and nothing was done",
    "maintenance": "503, and nothing was done",
}
STREAM_FAULTS = {
    "duplicate_events": "the events of one change come twice",
    "reorder_events": "the events of one change come in reverse order",
    "disconnect": "the stream is cut before the events of one change",
    "disconnect_mid_fill": "the stream is cut after the first fill of one change",
    "lost_events": "the events of one change never come",
}
SPELL_FAULTS = {
    "connection_refused": "the port is closed for some seconds",
    "query_lag": "order queries, open orders and trades show nothing new for some seconds",
}
FAULTS = REQUEST_FAULTS | STREAM_FAULTS | SPELL_FAULTS
DEFAULT_SECONDS = {"late": 1.0, "zombie": 1.0, "query_lag": 2.0, "connection_refused": 1.0}
# Longer than a client should wait for an answer, so that it is the client that gives up.
SILENT_SECONDS = 30.0


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault in force: strikes ``left`` more times what is of kind ``on`` and contains ``match``.

    ``on`` is a kind of request, ``stream`` or ``all``; ``match`` is looked for in query and body, or in the name of a
    stream or a client order id, and an empty one matches all. ``seconds`` is how long it lasts or delays, where that
    has a meaning.
    """

    name: str
    on: str
    left: int
    match: str
    seconds: float
    chance: random.Random | None = field(default=None)

    def strikes(self, names: dict[str, str], kind: str, text: str) -> bool:
        """Whether this fault takes what comes now; with a seed it does by chance, one in two.

        ``names`` are the faults that are possible at this place. Chance is drawn only when all else fits.
        """
        if self.left <= 0 or self.name not in names or self.on not in {kind, "all"} or self.match not in text:
            return False
        return self.chance is None or self.chance.random() < 1 / 2


class Faults:
    """Faults in force, oldest first, and what they made of this venue so far.

    ``clock`` counts seconds steadily. ``applied`` counts by name, for a test that must know its fault has come.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._active: list[Fault] = []
        self._clock = clock
        self._lag_until = 0.0
        self._hidden_after = 0
        self.applied: dict[str, int] = {}

    def add(
        self, name: str, on: str, count: int, seed: int | None, match: str = "", seconds: float | None = None
    ) -> Fault:
        """Put a fault in force; DataError names the faults and kinds there are.

        ``name`` one of ``FAULTS``, ``on`` one of ``KINDS``, ``count`` how often it comes, ``seed`` for one in two by
        chance (None: always), ``match`` a part of the request, ``seconds`` None for the default of the fault. Several
        faults may be in force; the oldest that fits comes first.
        """
        if name not in FAULTS:
            raise DataError(f"fault '{name}' is unknown; use one of {', '.join(FAULTS)}")
        if on not in KINDS:
            raise DataError(f"'on' must be one of {', '.join(KINDS)}")
        if count < 1:
            raise DataError(f"'count' must be at least 1, not {count}")
        lasting = DEFAULT_SECONDS.get(name, SILENT_SECONDS) if seconds is None else seconds
        chance = None if seed is None else random.Random(seed)  # noqa: S311 -- chance of a simulation, not a secret
        fault = Fault(name=name, on=on, left=count, match=match, seconds=lasting, chance=chance)
        self._active.append(fault)
        return fault

    def clear(self) -> None:
        """Lift all faults.

        A lag ends at once. ``applied`` keeps its counts, and a request under way keeps its fault.
        """
        self._active.clear()
        self._lag_until = 0.0

    def take_request(self, kind: str, text: str) -> Fault | None:
        """The fault that strikes a request of this kind now, counted off; ``text`` is its query and body.

        None when nothing fits. Asking counts: a fault of ``count`` 1 strikes the first request that fits, and no other.
        """
        return self._take(REQUEST_FAULTS, kind, text)

    def take_stream(self, text: str) -> Fault | None:
        """The fault that strikes a group of stream events now, counted off.

        ``text`` is the name of a market stream, or the client order id of an account's event.
        """
        return self._take(STREAM_FAULTS, "stream", text)

    def start_lag(self, last_order: int) -> None:
        """Let replicas fall behind: orders after ``last_order`` stay unseen, from the first of them on.

        Called just before an order is placed, with the number of orders so far. Without a ``query_lag`` in force
        nothing happens. The lag lasts its seconds from here on.
        """
        # A lag begins with an order and not with a query: real replicas fall behind under writes.
        lag = next((fault for fault in self._active if fault.name == "query_lag" and fault.left > 0), None)
        if lag is not None:
            lag.left -= 1
            self.applied[lag.name] = self.applied.get(lag.name, 0) + 1
            self._hidden_after = last_order
            self._lag_until = self._clock() + lag.seconds

    def sees(self, order_id: int) -> bool:
        """Whether a replica shows an order already.

        Always true but within a lag; then true for orders from before it.
        """
        return order_id <= self._hidden_after or self._clock() >= self._lag_until

    def _take(self, names: dict[str, str], kind: str, text: str) -> Fault | None:
        for fault in self._active:
            if fault.strikes(names, kind, text):
                fault.left -= 1
                self.applied[fault.name] = self.applied.get(fault.name, 0) + 1
                return fault
        return None
