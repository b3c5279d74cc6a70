"""What is known after one order request: a table from evidence to outcome, read from the top.

The class of ccxt's exception alone decides nothing: a truncated answer comes as a bare ExchangeError and looks
like a rejection, a clock that is off is a NetworkError and is one. Only the venue's own error code proves a
rejection of what has left; only its id together with ours proves an order. All else is unknown,
and the venue is queried.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tidemill.adapters.ccxt._untyped import Answer, ExchangeClient

Outcome = Literal["acked", "rejected", "unknown"]
BODY = "tidemill_body"
CODE = re.compile(r'"code"\s*:\s*(-?\d+)')
# The venue's codes that say: this order was not placed, for certain.
REJECTING_CODES = {
    -1002: "unauthorised",
    -1003: "too many requests",
    -1013: "filter failure",
    -1015: "too many orders",
    -1021: "outside of the window",
    -1022: "signature",
    -1100: "illegal characters",
    -1101: "too many parameters",
    -1102: "mandatory parameter",
    -1103: "unknown parameter",
    -1104: "unread parameters",
    -1105: "empty parameter",
    -1106: "parameter not required",
    -1111: "precision",
    -1112: "no orders in the book",
    -1115: "time in force",
    -1116: "order type",
    -1117: "side",
    -1121: "symbol",
    -1131: "window too long",
    -1145: "cancel restrictions",
    -2010: "refused by the matching engine",
    -2014: "key format",
    -2015: "key, address or permission",
}
# The venue has an order under this id already.
DUPLICATE = "duplicate order sent"
# ccxt raises these before it sends; when the venue answered, its code decides instead.
LOCAL_REFUSALS = frozenset({"ArgumentsRequired", "BadSymbol", "InvalidOrder", "NotSupported"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one order request left behind: whether it left at all, and the raw answer or the failure."""

    client_order_id: str
    left: bool
    answer: Answer = None
    failure: BaseException | None = None

    @property
    def text(self) -> str:
        """For the ledger and for people."""
        if self.failure is None:
            return repr(self.answer)[:200]
        return f"{type(self.failure).__name__}: {str(self.failure)[:300]}"

    @property
    def code(self) -> int | None:
        """The venue's error code, or None."""
        return None if self.failure is None else venue_code(self.failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """One line of the table: when it ``holds``, what the outcome is, and why in words."""

    because: str
    outcome: Outcome
    holds: Callable[[Evidence], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The outcome of one request, with what it rests on."""

    outcome: Outcome
    because: str
    evidence: Evidence

    @property
    def text(self) -> str:
        """For the ledger and for people."""
        code = "" if self.evidence.code is None else f"{self.evidence.code} "
        return f"{self.because}: {code}{self.evidence.text}"


def _is_acknowledged(evidence: Evidence) -> bool:
    answer = evidence.answer
    return (
        evidence.failure is None
        and isinstance(answer, dict)
        and bool(answer.get("orderId"))
        and answer.get("clientOrderId") == evidence.client_order_id
        and bool(answer.get("status"))
    )


def _is_duplicate(evidence: Evidence) -> bool:
    failure = evidence.failure
    return failure is not None and DUPLICATE in f"{failure} {getattr(failure, BODY, '')}".lower()


def _is_refused_here(evidence: Evidence) -> bool:
    return not evidence.left and evidence.code is None and type(evidence.failure).__name__ in LOCAL_REFUSALS


OUTCOMES: tuple[OutcomeRow, ...] = (
    OutcomeRow(because="the venue's id and ours, with a state", outcome="acked", holds=_is_acknowledged),
    OutcomeRow(
        because="an answer without both ids is no order",
        outcome="unknown",
        holds=lambda evidence: evidence.failure is None,
    ),
    OutcomeRow(because="the venue has an order under this id: ask for it", outcome="unknown", holds=_is_duplicate),
    OutcomeRow(
        because="the venue's own code says that nothing was placed",
        outcome="rejected",
        holds=lambda evidence: evidence.code in REJECTING_CODES,
    ),
    OutcomeRow(because="refused before anything left", outcome="rejected", holds=_is_refused_here),
    OutcomeRow(because="nothing proves either", outcome="unknown", holds=lambda _: True),
)


def judge(evidence: Evidence) -> Judgement:
    """The first row of the table that holds."""
    row = next(line for line in OUTCOMES if line.holds(evidence))
    return Judgement(outcome=row.outcome, because=row.because, evidence=evidence)


def venue_code(error: BaseException) -> int | None:
    """The venue's error code in an exception's text, or None."""
    match = CODE.search(f"{error} {getattr(error, BODY, '')}")
    return int(match[1]) if match else None


def keep_body(exchange: ExchangeClient) -> None:
    """Make ccxt's exceptions carry the raw answer: some of them drop the venue's code from their text."""
    judge_answer = exchange.handle_errors

    def handle_errors(code: int, reason: str, url: str, method: str, headers: Any, body: str, *more: Any) -> Answer:
        try:
            return judge_answer(code, reason, url, method, headers, body, *more)
        except Exception as error:
            setattr(error, BODY, body)
            raise

    exchange.handle_errors = handle_errors
