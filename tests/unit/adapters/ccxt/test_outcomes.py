"""The outcome table by itself: what proves an order, what proves a rejection, and all that proves nothing."""

from __future__ import annotations

import asyncio
import json

import ccxt.async_support as ccxt
import pytest

from tidemill.adapters.ccxt._outcomes import OUTCOMES, REJECTING_CODES, Evidence, judge, keep_body

NO_IDS, NOTHING = OUTCOMES[1].because, OUTCOMES[-1].because


@pytest.mark.parametrize("failure", [asyncio.CancelledError(), TimeoutError(), RuntimeError("anything"), KeyError("x")])
def test_a_cut_short_request_is_unknown(failure: BaseException) -> None:
    for left in (True, False):
        judged = judge(Evidence(client_order_id="s", left=left, failure=failure))
        assert (judged.outcome, judged.text.partition(": ")[0]) == ("unknown", NOTHING)


@pytest.mark.parametrize("name", ["InvalidOrder", "BadSymbol", "NotSupported", "ArgumentsRequired"])
def test_a_class_alone_rejects_nothing_that_has_left(name: str) -> None:
    failure = getattr(ccxt, name)("no code of the venue")
    assert judge(Evidence(client_order_id="s", left=True, failure=failure)).outcome == "unknown"
    assert judge(Evidence(client_order_id="s", left=False, failure=failure)).outcome == "rejected"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "<html>",
        [],
        {},
        {"orderId": 1, "clientOrderId": "other", "status": "NEW"},
        {"orderId": None, "clientOrderId": "s", "status": "NEW"},
        {"orderId": 1, "clientOrderId": "s", "status": ""},
        {"orderId": 1, "clientOrderId": "s"},
        {"clientOrderId": "s", "status": "NEW"},
    ],
)
def test_an_answer_without_both_ids_is_no_order(answer: object) -> None:
    judged = judge(Evidence(client_order_id="s", left=True, answer=answer))
    assert (judged.outcome, judged.text.partition(": ")[0]) == ("unknown", NO_IDS)


@pytest.mark.parametrize(
    ("exchange", "told"),
    [
        ("binance", {"code": -2010, "msg": "Duplicate order sent."}),
        ("okx", {"code": "1", "msg": "", "data": [{"sCode": "51016", "sMsg": "Client order ID already exists."}]}),
        ("bybit", {"retCode": 110072, "retMsg": "OrderLinkedID is duplicate", "result": {}}),
        ("bybit", {"retCode": 170141, "retMsg": "Duplicate clientOrderId", "result": {}}),
        ("gate", {"label": "REPEATED_CREATION", "message": "repeated"}),
        ("kucoin", {"code": "400100", "msg": "clientOidDuplicated"}),
    ],
)
def test_a_repeated_id_is_no_rejection_anywhere(exchange: str, told: dict) -> None:
    """What ccxt raises for it is a rejection's class; the order of that id exists."""
    client = getattr(ccxt, exchange)()
    keep_body(client)
    with pytest.raises(ccxt.BaseError) as raised:
        client.handle_errors(400, "Bad Request", "https://x/", "POST", {}, json.dumps(told), told, {}, "")
    assert not isinstance(raised.value, ccxt.DuplicateOrderId)
    assert judge(Evidence(client_order_id="s", left=True, failure=raised.value)).outcome == "unknown"


def test_no_code_that_leaves_doubt_rejects() -> None:
    assert not {-1000, -1001, -1006, -1007, -1008, -1016, -2011, -2013} & set(REJECTING_CODES)
