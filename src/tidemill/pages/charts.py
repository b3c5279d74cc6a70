"""The charts of a run's page as plotly figures.

Colours of data only: all else comes from the page's style sheet, which knows light and dark. Long series are thinned
with every peak and trough; times are in UTC and without a zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tidemill.domain.market import split_instrument_id
from tidemill.domain.trading import Side
from tidemill.pages.downsampling import keep_every, keep_shape
from tidemill.pages.summary import money
from tidemill.pages.tables import cost_parts
from tidemill.performance import Performance

if TYPE_CHECKING:
    # plotly is slow to import, so a chart imports it when it is drawn; it ships no types
    from plotly.graph_objects import Figure, Scatter

OWN, OTHER, GAIN, LOSS = "#3987e5", "#8a8f98", "#1f9e75", "#d9534f"
PALETTE = ("#3987e5", "#e08e2b", "#1f9e75", "#9a6bd0", "#d9534f", "#2aa5b8", "#c4a000", "#b05a8c")
MOST_BARS = 200
MOST_NAMES = len(PALETTE)
# The benchmark's range over the strategy's, from which on the strategy gets a panel of its own.
DWARFED = 4.0


def is_dwarfed(measured: Performance) -> bool:
    """Whether the benchmark moved so much more that the strategy would be a flat line beside it.

    By the range of both curves, highest less lowest mark, in account currency.
    """
    own, other = measured.curves.own, measured.curves.benchmark
    return bool(DWARFED * (own.max() - own.min()) < other.max() - other.min())


def equity_chart(measured: Performance) -> Figure:
    """Equity of strategy and benchmark; beneath, where it would be flat beside it, the strategy on its own scale."""
    from plotly.subplots import make_subplots

    apart = is_dwarfed(measured)
    figure = make_subplots(rows=2 if apart else 1, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    figure.update_layout(**_layout(height=560 if apart else 380))
    own = _line(measured.curves.own, measured.record.strategy, OWN, width=2.2)
    figure.add_trace(_line(measured.curves.benchmark, "buy and hold", OTHER, width=1.5), row=1, col=1)
    figure.add_trace(own, row=1, col=1)
    if apart:
        figure.add_trace(own.update(showlegend=False), row=2, col=1)
        figure.update_traces(showlegend=True, row=1, col=1)
    return figure.update_yaxes(title_text=measured.record.currency)


def drawdown_chart(measured: Performance) -> Figure:
    """Fall below the peak, downwards.

    Both curves as fractions <= 0; the area of the strategy's own is filled.
    """
    figure = _figure(height=260, y_format=".0%")
    figure.add_trace(_line(-measured.curves.benchmark_drawdowns, "buy and hold", OTHER, width=1.2))
    own = _line(-measured.curves.own_drawdowns, measured.record.strategy, LOSS, width=1.6)
    figure.add_trace(own.update(fill="tozeroy", fillcolor="rgba(217,83,79,0.18)"))
    return figure


def rolling_chart(measured: Performance) -> Figure:
    """Rolling Sharpe ratio above, rolling volatility below, both annual; nothing is drawn until a window is full."""
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    figure.update_layout(**_layout(height=420))
    figure.add_trace(_line(measured.curves.rolling["sharpe"], "Sharpe ratio", OWN), row=1, col=1)
    figure.add_trace(_line(measured.curves.rolling["volatility"], "volatility", PALETTE[1]), row=2, col=1)
    figure.add_hline(y=0, line_width=1, line_color=OTHER, line_dash="dot", row=1, col=1)
    figure.update_yaxes(title_text="Sharpe ratio", row=1, col=1)
    figure.update_yaxes(title_text="volatility", tickformat=".0%", rangemode="tozero", row=2, col=1)
    return figure


def exposure_chart(measured: Performance) -> Figure:
    """Share of equity in each instrument, stacked; short positions below zero, the smallest of many as others."""
    import plotly.graph_objects as go

    figure = _figure(height=300, y_format=".0%")
    # stacked areas need the same moments in every line, so all are thinned alike and not each by its own peaks
    rows = keep_every(len(measured.activity.exposure))
    exposure = _merge_smallest(measured.activity.exposure).iloc[rows]
    for place, name in enumerate(exposure.columns):
        values = exposure[name].fillna(0.0).to_numpy()
        # a stack adds up whatever it is given, so what is long and what is short are stacked each by itself
        for sign, part in (("long", np.maximum(values, 0.0)), ("short", np.minimum(values, 0.0))):
            if np.any(part):
                figure.add_trace(
                    go.Scatter(
                        x=_times(exposure.index),
                        y=part,
                        name=str(name) if sign == "long" else f"{name} short",
                        mode="lines",
                        line={"width": 0, "shape": "hv", "color": PALETTE[place % len(PALETTE)]},
                        stackgroup=sign,
                    )
                )
    return figure


def _merge_smallest(exposure: pd.DataFrame) -> pd.DataFrame:
    """At most a column for each colour: those with the least exposure on average become ``others``, net."""
    if len(exposure.columns) <= MOST_NAMES:
        return exposure
    ranked = list(exposure.abs().mean().sort_values(ascending=False, kind="stable").index)
    largest, rest = ranked[: MOST_NAMES - 1], ranked[MOST_NAMES - 1 :]
    return exposure[largest].assign(**{f"{len(rest)} others": exposure[rest].sum(axis=1)})


def periods_in_bar(count: int) -> int:
    """Periods that one bar of the turnover chart sums up.

    ``count`` periods in all, at most 200 bars: more could not be told apart on a screen.
    """
    return -(-count // MOST_BARS)


def turnover_chart(measured: Performance) -> Figure:
    """Value traded per period over equity; summed where periods are too many to draw.

    Buys and sells are added; a bar stands at the first of its periods.
    """
    import plotly.graph_objects as go

    figure = _figure(height=240, y_format=".0%")
    turnover = measured.activity.turnover
    size = periods_in_bar(len(turnover))
    sums = turnover.groupby(np.arange(len(turnover)) // size).sum()
    times = _times(turnover.index[::size])
    bars = go.Bar(x=times, y=sums.to_numpy(), name="turnover", marker={"color": OWN, "line": {"width": 0}})
    return figure.add_trace(bars).update_layout(showlegend=False, bargap=0.1, margin_t=8)


def cost_chart(measured: Performance) -> Figure:
    """Costs by cause, in account currency.

    Red is a cost, green a gain: below zero the market moved in the order's favour.
    """
    parts = cost_parts(measured.trading.costs.to_json())
    values = [float(value) for _, value in parts]
    return _sideways([name for name, _ in parts], values, measured.record.currency, costs=True)


def instrument_chart(measured: Performance) -> Figure:
    """Profit of each instrument, net of fees.

    In account currency, the best on top, open positions valued at the last close.
    """
    books = sorted(measured.trading.books, key=lambda book: -book.profit)
    values = [float(book.profit) for book in books]
    return _sideways([book.instrument for book in books], values, measured.record.currency, costs=False)


def price_chart(measured: Performance, instrument: str) -> Figure:
    """Closes of one instrument at the end of their bars, over the span of the run, and its fills at their times."""
    import plotly.graph_objects as go

    record = measured.record
    bars = record.bars[record.bars["instrument"] == instrument]
    closed = pd.DatetimeIndex(bars["open_time"]) + pd.Timedelta(seconds=record.bar_seconds)
    closes = pd.Series(bars["close"].to_numpy(dtype="float64"), index=closed)
    # the recording may begin long before the run, to warm features up: of that nothing was traded
    closes = closes[(closes.index >= measured.curves.own.index[0]) & (closes.index <= measured.curves.own.index[-1])]
    figure = _figure(height=400, y_title=f"price, {split_instrument_id(instrument)[1]}")
    figure.add_trace(_line(closes, "close", OTHER, width=1.4))
    for side, symbol, colour in ((Side.BUY, "triangle-up", GAIN), (Side.SELL, "triangle-down", LOSS)):
        fills = [fill for fill in record.fills if fill.instrument == instrument and fill.side is side]
        figure.add_trace(
            go.Scatter(
                x=[fill.traded_at.strftime("%Y-%m-%dT%H:%M:%S") for fill in fills],
                y=[float(fill.price) for fill in fills],
                text=[f"{side.lower()} {fill.quantity:f} at {fill.price:f}" for fill in fills],
                hoverinfo="x+text",
                name="bought" if side is Side.BUY else "sold",
                mode="markers",
                marker={"symbol": symbol, "size": 8, "color": colour, "line": {"width": 0.5, "color": "#ffffff"}},
            )
        )
    return figure.update_layout(hovermode="closest")


def _figure(*, height: int, y_title: str = "", y_format: str = "") -> Figure:
    import plotly.graph_objects as go

    # set afterwards: a figure made without a template gets plotly's own, seven kilobytes in every figure of the page
    figure = go.Figure().update_layout(**_layout(height=height))
    return figure.update_yaxes(title_text=y_title or None, tickformat=y_format or None)


def _layout(*, height: int) -> Mapping[str, object]:
    return {
        "height": height,
        # the page's script sets fonts and colours, light or dark; a template would set them first
        "template": None,
        "margin": {"l": 8, "r": 8, "t": 30, "b": 8},
        "hovermode": "x unified",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }


def _line(series: pd.Series[float], name: str, colour: str, *, width: float = 1.6) -> Scatter:
    import plotly.graph_objects as go

    values = series.to_numpy(dtype="float64")
    rows = keep_shape(values)
    return go.Scatter(
        x=_times(series.index[rows]), y=values[rows], name=name, mode="lines", line={"color": colour, "width": width}
    )


def _sideways(names: list[str], values: list[float], unit: str, *, costs: bool) -> Figure:
    """Bars from the top down in the given order."""
    import plotly.graph_objects as go

    good = [(value < 0) if costs else (value > 0) for value in values]
    figure = _figure(height=80 + 34 * len(names))
    figure.add_trace(
        go.Bar(
            x=values,
            y=names,
            orientation="h",
            marker={"color": [GAIN if is_good else LOSS for is_good in good], "line": {"width": 0}},
            text=[money(value) for value in values],
            textposition="outside",
        )
    )
    # room for the figures, which plotly writes outside the bars without making any
    room = 0.35 * max(max([*values, 0.0]) - min([*values, 0.0]), 1e-9)
    low = min(values) - room if min(values) < 0 else 0.0
    figure.update_xaxes(range=[low, max([*values, 0.0]) + room], title_text=unit, tickformat=",")
    figure.update_yaxes(autorange="reversed")
    return figure.update_layout(showlegend=False, hovermode=False, margin_t=8)


def _times(index: pd.Index) -> list[str]:
    """Times without a zone, which plotly would shift to the reader's."""
    return list(pd.DatetimeIndex(index).strftime("%Y-%m-%dT%H:%M:%S"))
