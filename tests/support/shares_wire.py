"""What Yahoo and Alpha Vantage tell of one share, each in its own shape."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

NAME = "AAPL-USD.US"
NOW = datetime(2026, 1, 14, 12, tzinfo=UTC)
# date -> raw open, high, low, close, volume; on the 8th four new shares for one old, on the 12th a dividend of 0.5
RAW = {
    5: (400.0, 404.0, 396.0, 402.0, 1000.0),
    6: (402.0, 408.0, 401.0, 406.0, 1100.0),
    7: (406.0, 410.0, 404.0, 408.0, 1200.0),
    8: (102.0, 103.0, 101.0, 102.5, 4800.0),
    9: (102.5, 104.0, 102.0, 103.0, 4400.0),
    12: (102.5, 103.5, 102.0, 103.5, 4000.0),
    13: (103.5, 105.0, 103.0, 104.0, 4200.0),
}
SPLIT, RATIO, DIVIDEND, PAID = 8, 4.0, 12, 0.5
OPENS = [pd.Timestamp(2026, 1, day, tz="UTC") for day in RAW]


def yahoo(_: dict[str, str]) -> dict[str, Any]:
    """The chart as Yahoo tells it: everything before the split divided by it."""
    stamps = {day: int(datetime(2026, 1, day, 14, 30, tzinfo=UTC).timestamp()) for day in RAW}
    factor = {day: RATIO if day < SPLIT else 1.0 for day in RAW}
    columns = {
        name: [RAW[day][place] / factor[day] for day in RAW]
        for place, name in enumerate(("open", "high", "low", "close"))
    }
    columns["volume"] = [RAW[day][4] * factor[day] for day in RAW]
    period = {"timezone": "EST", "start": stamps[5], "end": stamps[13], "gmtoffset": -18000}
    meta = {
        "currency": "USD",
        "symbol": "AAPL",
        "exchangeName": "NMS",
        "instrumentType": "EQUITY",
        "firstTradeDate": stamps[5],
        "regularMarketTime": stamps[13],
        "gmtoffset": -18000,
        "timezone": "EST",
        "exchangeTimezoneName": "America/New_York",
        "regularMarketPrice": 104.0,
        "priceHint": 2,
        "currentTradingPeriod": {"pre": period, "regular": period, "post": period},
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "max"],
    }
    events = {
        "splits": {
            str(stamps[SPLIT]): {"date": stamps[SPLIT], "numerator": 4.0, "denominator": 1.0, "splitRatio": "4:1"}
        },
        "dividends": {str(stamps[DIVIDEND]): {"amount": PAID, "date": stamps[DIVIDEND]}},
    }
    indicators = {"quote": [columns], "adjclose": [{"adjclose": columns["close"]}]}
    result = {"meta": meta, "timestamp": list(stamps.values()), "events": events, "indicators": indicators}
    return {"chart": {"result": [result], "error": None}}


def alpha(query: dict[str, str]) -> Any:
    if query["function"] == "SPLITS":
        return {"symbol": "AAPL", "data": [{"effective_date": f"2026-01-{SPLIT:02}", "split_factor": "4.0000"}]}
    if query["function"] == "DIVIDENDS":
        return {"symbol": "AAPL", "data": [{"ex_dividend_date": f"2026-01-{DIVIDEND}", "amount": "0.5"}]}
    names = ("1. open", "2. high", "3. low", "4. close", "5. volume")
    days = {f"2026-01-{day:02}": dict(zip(names, map(str, row), strict=True)) for day, row in RAW.items()}
    return {"Meta Data": {"2. Symbol": "AAPL"}, "Time Series (Daily)": days}


def answers() -> dict[str, Any]:
    """Pages of the double of both."""
    return {"query": alpha, "chart/": yahoo, "getcrumb": b"crumb", "/": b"<html></html>"}
