"""The page of a run: one HTML file that holds all it needs and asks no network for anything.

It can be mailed, archived and opened years later. Its templates, style sheet and script lie in ``templates/``.
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.domain.errors import ConfigurationError
from tidemill.pages import charts
from tidemill.pages.environment import render
from tidemill.pages.view import PageFacts, make_view
from tidemill.performance import Performance

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLibrary:
    """The chart library: its own ``notice`` to be read, and all of it gzipped and in base64."""

    notice: str
    packed: str


def write_page(path: Path, measured: Performance, facts: PageFacts) -> None:
    """Write the page of ``measured`` to ``path``, about 2 MB in UTF-8, over what stood there.

    ConfigurationError when that cannot be written.
    """
    try:
        path.write_text(make_page(measured, facts), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the report {path} cannot be written: {error.strerror}; choose another file"
        ) from error


def make_page(measured: Performance, facts: PageFacts) -> str:
    """The page as text: about 2 MB of chart library, and the figures' own data.

    The same run and facts give the same text, to the byte.
    """
    # plotly's own JSON: its arrays are packed, and NaN is null
    figures = {name: json.loads(figure.to_json()) for name, figure in make_figures(measured).items()}
    return render("page.html.j2", view=make_view(measured, facts), figures=figures, library=pack_library())


def pack_library() -> PackedLibrary:
    """The chart library compressed to two fifths; ``page.js`` unpacks it.

    Browsers unpack gzip by themselves since 2023; an older one shows the tables and says why there are no charts.
    """
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs()
    # two hyphens would end the comment that the notice stands in
    notice = library[: library.index("*/")].strip("/*\n ").replace("--", "-")
    # without a time in its head the same library is packed into the same text
    packed = gzip.compress(library.encode(), compresslevel=6, mtime=0)
    return PackedLibrary(notice=notice, packed=base64.b64encode(packed).decode())


def make_figures(measured: Performance) -> dict[str, Figure]:
    """Name -> plotly figure; the prices of each instrument as ``price:ID``.

    The names are those that the places in the templates go by.
    """
    return {
        "equity": charts.equity_chart(measured),
        "drawdown": charts.drawdown_chart(measured),
        "rolling": charts.rolling_chart(measured),
        "exposure": charts.exposure_chart(measured),
        "turnover": charts.turnover_chart(measured),
        "costs": charts.cost_chart(measured),
        "instruments": charts.instrument_chart(measured),
        **{f"price:{name}": charts.price_chart(measured, name) for name in measured.record.instruments},
    }
