"""The words of the capability table: a fact with its source, a call of ccxt, one venue's row."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from tidemill.domain.errors import ConfigurationError
from tidemill.domain.trading import OrderTiming

Filled = str | bool
UUID_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://tidemill/client-order-id")
NOT_ON_SANDBOX = "create, query and cancel have not passed on its sandbox"
NO_SANDBOX = "ccxt knows no spot sandbox of it"
NO_DEADLINE = "it has no deadline parameter, so a request that wakes up late cannot be refused by the venue"

# ccxt's own arguments of a call that names one order, or one instrument
BY_ORDER: dict[str, str | None] = {"id": None, "symbol": "{symbol}"}
OF_SYMBOL: dict[str, str | None] = {"symbol": "{symbol}"}
UNIFIED: dict[str, Filled] = {"clientOrderId": "{id}"}


class Basis(StrEnum):
    """Where a fact comes from. What rests on memory keeps a row closed."""

    MEASURED = "measured"
    DOCUMENTED = "documented"
    MEMORY = "memory"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact and where it comes from."""

    text: str
    basis: Basis


def documented(text: str) -> Fact:
    """A fact that the venue's documents state."""
    return Fact(text=text, basis=Basis.DOCUMENTED)


def remembered(text: str) -> Fact:
    """A fact that nobody has looked up again."""
    return Fact(text=text, basis=Basis.MEMORY)


NOT_KNOWN = Fact(text="unknown", basis=Basis.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCall:
    """How ccxt is called for one purpose, and what the request must then carry.

    ``arguments`` are ccxt's own, ``params`` its last one, ``carries`` the fields of the outgoing query, body
    or headers (``path``: its last segment). Their values hold placeholders: ``{id}`` the client order id as
    it goes on the wire, ``{venue_id}``, ``{symbol}``, ``{raw_symbol}``, ``{sent_ms}``, ``{window_ms}``,
    ``{until_ms}`` and ``{until_iso}``.
    """

    method: str
    path: str
    arguments: Mapping[str, str | None] = field(default_factory=dict)
    params: Mapping[str, Filled] = field(default_factory=dict)
    carries: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_client_id(self) -> bool:
        """Whether the venue is told our id, so that no list has to be read through."""
        return "{id}" in self.carries.values()


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCapability:
    """One venue's row.

    ``client_id_form`` makes the id on the wire from an intent's id (``{uuid}``: a UUID derived from it), and
    ``client_id_pattern`` is what ccxt and the venue accept. ``deadline`` None: a late request cannot be refused
    by the venue. ``signs_with_clock``: ccxt signs with its own clock, which must then show the recorded send
    time; ``headers`` go with each order. The internal timeout is how long the venue may still work on a
    request. ``amounts`` are the fields of quantity and price. ``answers`` names the protocol that the broker
    reads, if it does. ``gaps`` are what else is missing before live trading.
    """

    exchange: str
    client_id_parameter: str
    client_id_rule: Fact
    client_id_pattern: str
    uniqueness: Fact
    query_after_close: Fact
    deadline: Fact | None
    create: VenueCall
    queries: tuple[VenueCall, ...]
    cancel: VenueCall
    sources: str
    client_id_form: str = "{id}"
    signs_with_clock: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    amounts: tuple[str, str] = ("quantity", "price")
    options: Mapping[str, Any] = field(default_factory=dict)
    answers: Literal["binance spot", ""] = ""
    window_ms: int = 5000
    internal_timeout_seconds: float = 10.0
    internal_timeout_basis: Basis = Basis.UNKNOWN
    margin_seconds: float = 2.0
    gaps: tuple[str, ...] = ()
    intercepted: date | None = None
    sandbox: date | None = None

    def timing(self) -> OrderTiming:
        """Waits that prove absence: window + the venue's internal timeout + margin."""
        window = self.window_ms / 1000
        return OrderTiming(
            window_ms=self.window_ms, visibility_seconds=window + self.internal_timeout_seconds + self.margin_seconds
        )

    def client_order_id(self, intent_id: str) -> str:
        """The id of an intent in the form that this venue accepts; ConfigurationError when there is none."""
        client_id = intent_id
        if self.client_id_form != "{id}":
            client_id = self.client_id_form.format(id=intent_id, uuid=uuid.uuid5(UUID_SPACE, intent_id))
        if not re.fullmatch(self.client_id_pattern, client_id):
            raise ConfigurationError(
                f"client order id '{client_id}' does not fit {self.exchange}, which takes {self.client_id_rule.text}; "
                "derive it from an intent id"
            )
        return client_id

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps live trading closed here, each as a clause; empty for a verified row."""
        return (*self.gaps, *self._unproven_facts(), *self._unpassed())

    def _unproven_facts(self) -> list[str]:
        reasons: list[str] = []
        if self.deadline is None:
            reasons.append(NO_DEADLINE)
        reasons += _unproven("how a client order id must look", self.client_id_rule)
        reasons += _unproven("when a client order id may return", self.uniqueness)
        reasons += _unproven("how long an order can be queried after its end", self.query_after_close)
        if self.deadline is not None:
            reasons += _unproven("that it refuses what comes late", self.deadline)
        if self.internal_timeout_basis in {Basis.MEMORY, Basis.UNKNOWN}:
            reasons.append(
                f"how long it may work on a request is not known ({self.internal_timeout_seconds:g} s are assumed)"
            )
        return reasons

    def _unpassed(self) -> list[str]:
        reasons: list[str] = []
        if self.answers != "binance spot":
            reasons.append("the broker does not read its answers")
        if self.intercepted is None:
            reasons.append("its requests were never intercepted")
        if self.sandbox is None:
            reasons.append(NOT_ON_SANDBOX)
        return reasons

    @property
    def verified(self) -> date | None:
        """The day it passed on its sandbox; None while anything is missing."""
        return None if self.missing else self.sandbox


def _unproven(what: str, fact: Fact) -> list[str]:
    if fact.basis is Basis.MEMORY:
        return [f"{what} is known from memory only ({fact.text})"]
    if fact.basis is Basis.UNKNOWN:
        return [f"{what} is unknown"]
    return []
