"""Results as pages for people: one self-contained HTML file, a markdown artifact, rows for the screen.

What is called ``statistics`` is the JSON of a :class:`~tidemill.performance.Performance`: screens and artifacts have it
from a result that may be of another process. Null there is "–" here, never 0.
"""

from tidemill.pages.artifact import backtest_page
from tidemill.pages.document import write_page
from tidemill.pages.review import rerun_rows, review_page, shortfall_rows
from tidemill.pages.summary import headline_rows, trial_sentence
from tidemill.pages.sweeps import outcome_rows, sweep_page, verdict_lines
from tidemill.pages.view import PageFacts

__all__ = [
    "PageFacts",
    "backtest_page",
    "headline_rows",
    "outcome_rows",
    "rerun_rows",
    "review_page",
    "shortfall_rows",
    "sweep_page",
    "trial_sentence",
    "verdict_lines",
    "write_page",
]
