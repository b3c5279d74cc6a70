"""Pages and rows of market data: what was fetched, what is missing, how complete a series is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from tidemill.domain.gaps import Gap
from tidemill.domain.market import format_time
from tidemill.domain.series import SeriesState, SeriesStatus
from tidemill.quality import SeriesCompleteness
from tidemill.reports.tables import Row, table

BARS_COLUMNS = ("name", "timeframe", "fetched", "stored", "rejected", "missing", "quarantined", "state", "failure")
POSTS_COLUMNS = ("name", "fetched", "stored", "rejected", "scores", "failure")


def ingest_page(title: str, results: Sequence[Mapping[str, Any]]) -> str:
    """Page of an ingest run: a row per series of what was fetched, stored, rejected and is missing.

    ``results`` are the summaries of an ingest as JSON; what one of them lacks is an empty cell.
    """
    return f"# {title}\n\n" + (table(results, BARS_COLUMNS) if results else "No series was asked for.")


def posts_page(results: Sequence[Mapping[str, Any]]) -> str:
    """Page of the posts that came in, per source; what to set when there is none.

    ``results`` are the summaries of an ingest as JSON, none when no source has a key.
    """
    nothing = "No source has a key, so none was asked; `tidemill doctor` tells what to set."
    return "# Posts ingested\n\n" + (table(results, POSTS_COLUMNS) if results else nothing)


def asset_key(instrument: str, timeframe: str) -> str:
    """The asset of a series in Prefect: ``tidemill://bars/BINANCE/BTC-USDT/1h`` for ``BTC-USDT.BINANCE`` and ``1h``.

    Stored in Prefect's database and in automations: it must not change.
    """
    pair, _, venue = instrument.rpartition(".")
    return f"tidemill://bars/{venue}/{pair}/{timeframe}"


def stream_page(venue: str, result: Mapping[str, Any]) -> str:
    """Page of a stream: what it brought, how often it was cut, and what was fetched to mend that.

    ``result`` is its summary as JSON: the counts bars, trades, breaks and healed, and ``failures`` as sentences.
    """
    counts = ("bars", "trades", "breaks", "healed")
    failures = "\n".join(f"- {failure}" for failure in result["failures"]) or "- none"
    return f"# Stream of {venue}\n\n" + table([result], counts) + "\n\n## Could not be mended at once\n\n" + failures


def repair_page(results: Sequence[Mapping[str, Any]], gaps: Sequence[Gap]) -> str:
    """Page of a repair: what each instrument got, and every gap that is left with its cause.

    ``results`` are the summaries of a repair as JSON; ``gaps`` those that are missing still.
    """
    columns = ("name", "timeframe", "fetched", "stored", "quarantined", "released", "failure")
    missing = table([gap_row(gap) for gap in gaps], GAP_ROW_COLUMNS) if gaps else "nothing"
    return "# Bars repaired\n\n" + table(results, columns) + "\n\n## Missing still\n\n" + missing


GAP_ROW_COLUMNS = ("instrument", "timeframe", "missing", "cause", "start", "end", "state", "why")
"""What a narrow screen cuts comes last."""


def gap_row(gap: Gap) -> Row:
    """One gap for a table or for JSON: times in ISO 8601, ``missing`` bars, cause, state and the evidence.

    The gap is [start, end) of open times in UTC.
    """
    return {
        "instrument": gap.instrument,
        "timeframe": gap.timeframe,
        "start": format_time(gap.start),
        "end": format_time(gap.end),
        "missing": gap.missing,
        "cause": str(gap.cause),
        "state": str(gap.state),
        "why": gap.why,
    }


def series_state(series: SeriesCompleteness, statuses: Sequence[SeriesStatus]) -> str:
    """The state of a series among ``statuses``; ``fine`` where there is none of its own."""
    states = {status.key: str(status.state) for status in statuses}
    return states.get((series.instrument, series.timeframe), str(SeriesState.FINE))


def completeness_rows(measured: Sequence[SeriesCompleteness], statuses: Sequence[SeriesStatus] = ()) -> list[Row]:
    """Per series: expected, stored, repaired, missing, the missing by cause in words, and its state.

    What matters comes first: a table cuts on the right what its screen has no room for.
    """
    rows = []
    for series in measured:
        values = series.to_json()
        causes = ", ".join(f"{count} {cause}" for cause, count in values["causes"].items()) or "none"
        rows.append(
            {
                **{name: values[name] for name in ("instrument", "timeframe", "complete", "missing")},
                "causes": causes,
                "state": series_state(series, statuses),
                **{name: values[name] for name in ("expected", "stored", "repaired", "start", "end")},
            }
        )
    return rows


def completeness_days(measured: Sequence[SeriesCompleteness]) -> list[Row]:
    """Per day (UTC), newest first: expected and stored bars of all series together, stored of expected in percent."""
    # summed by day before the share is taken, so that a series with more bars weighs more
    days: dict[str, list[int]] = {}
    for series in measured:
        for day in series.days:
            sums = days.setdefault(day.day.isoformat(), [0, 0])
            sums[0] += day.expected
            sums[1] += day.stored
    return [
        {"day": day, "expected": expected, "stored": stored, "complete": f"{stored / expected:.4%}"}
        for day, (expected, stored) in sorted(days.items(), reverse=True)
    ]


def progress_sentence(what: str, done: int, parts: int, elapsed: timedelta) -> str:
    """How far a long run is, and about how long the rest takes at the pace so far.

    ``done`` of ``parts`` in ``elapsed``. Parts are taken as equally long; before the first is done nothing is known,
    and the rest is said to take no time.
    """
    # a plain mean of the parts so far: parts differ little, and a cleverer guess would not be more honest
    remaining = elapsed / done * (parts - done) if done else timedelta(0)
    rest = f"about {timedelta(seconds=round(remaining.total_seconds()))} left" if done < parts else f"done in {elapsed}"
    return f"{what}: {done} of {parts} parts, {rest}"
