"""The page reads as it always did: every element, attribute, text and number, whatever builds the HTML."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from support.runs_made import BTC, ETH, bars, marks, run_record

from tidemill.pages import PageFacts
from tidemill.pages.document import make_figures, make_page
from tidemill.performance import Performance, measure

GOLDEN = Path(__file__).parents[2] / "golden" / "page"
EACH_A_FILE = {"style", "library", "", "figures"}
VOID = {"meta"}
FULL_RAN = {
    "steps": 1200,
    "bars": 4800,
    "gaps": 7,
    "forecasts": 1,
    "vetoed": 0,
    "dropped": 2,
    "orders": {"intended": 3, "filled": 2, "partly_filled": 1, "expired": 0},
    "refusals": [{"as_of": "2025-01-01T00:00:00Z", "reason": "venue <down> & 'out'"}],
}
SETTINGS = {"strategy": "trend", "fills": {"slippage": "0.0005", "fee": {"taker": 0.001}}, "universe": [BTC, ETH]}


def full_run() -> tuple:
    """Two instruments, orders, warnings, a refusal, and a strategy whose name is markup."""
    closes = bars({BTC: [100.0, 110.0, 121.0], ETH: [10.0, 9.0, 8.0]})
    record = run_record(
        strategy='<b>"trend"</b>',
        bars=closes,
        instruments=(BTC, ETH),
        slippage_rate=Decimal("0.001"),
        trial_sharpes=[1.0, 2.0],
    )
    title = "two bars & a <half> 'quoted'"
    return record, PageFacts(title=title, written_at=datetime(2026, 1, 1, tzinfo=UTC), settings=SETTINGS, ran=FULL_RAN)


def quiet_run() -> tuple:
    """Flat beside the benchmark, no order, no refusal, one instrument."""
    record = run_record(equity=marks(2000, 2001, 2002), fills=[], orders=[], decisions=[])
    ran = {"steps": 3, "orders": {"intended": 0}, "refusals": []}
    return record, PageFacts(title="none", written_at=datetime(2026, 1, 1, tzinfo=UTC), settings={}, ran=ran)


class Outline(HTMLParser):
    """Elements in order, a line each, with attributes and the text up to the next element."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.depth = 0
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.lines.append("  " * self.depth + f"<{tag}" + "".join(f' {key}="{value}"' for key, value in attrs) + ">")
        self.inside = named.get("id") or "" if tag == "script" else tag
        self.depth += tag not in VOID

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1
        self.inside = "after"
        self.lines.append("  " * self.depth + f"</{tag}>")

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text and self.inside not in EACH_A_FILE:
            self.lines.append("  " * self.depth + text)

    def handle_comment(self, data: str) -> None:
        self.lines.append("  " * self.depth + f"<!-- {len(data.split()) > 10} -->")

    def handle_decl(self, decl: str) -> None:
        self.lines.append(f"<!{decl}>")


def outline_of(page: str) -> str:
    outline = Outline()
    outline.feed(page)
    outline.close()
    return "\n".join(outline.lines) + "\n"


def readable(value: object) -> object:
    """Arrays as numbers of nine digits, as the last bits differ between machines; without the template of plotly."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict) and "bdata" in value:
        return readable(np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"]).tolist())
    if isinstance(value, dict):
        return {key: readable(part) for key, part in value.items() if key != "template"}
    return [readable(part) for part in value] if isinstance(value, list) else value


def figures_as_json(measured: Performance) -> dict:
    return {name: json.loads(figure.to_json()) for name, figure in make_figures(measured).items()}


def current_texts() -> Iterator[tuple[str, str]]:
    for name, (record, facts) in (("outline.txt", full_run()), ("quiet.txt", quiet_run())):
        yield name, outline_of(make_page(measure(record), facts))
    figures = readable(figures_as_json(measure(full_run()[0])))
    lines = [json.dumps([name, figure], sort_keys=True) for name, figure in figures.items()]
    yield "figures.jsonl", "\n".join(lines) + "\n"


def test_the_page_reads_as_it_did() -> None:
    for name, text in current_texts():
        assert text.splitlines() == (GOLDEN / name).read_text(encoding="utf-8").splitlines(), name


def test_the_statistics_are_what_they_were() -> None:
    stored = json.loads((GOLDEN / "statistics.json").read_text(encoding="utf-8"))
    assert [readable(measure(record).to_json()) for record, _ in (full_run(), quiet_run())] == stored


def test_the_page_carries_the_figures_it_was_made_with() -> None:
    record, facts = full_run()
    measured = measure(record)
    page = make_page(measured, facts)
    _, _, rest = page.partition('<script type="application/json" id="figures">')
    assert json.loads(rest.partition("</script>")[0]) == figures_as_json(measured)


if __name__ == "__main__":
    for name, text in current_texts():
        (GOLDEN / name).write_text(text, encoding="utf-8")
    statistics = [readable(measure(record).to_json()) for record, _ in (full_run(), quiet_run())]
    (GOLDEN / "statistics.json").write_text(json.dumps(statistics, indent=1) + "\n", encoding="utf-8")
