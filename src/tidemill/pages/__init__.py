"""Results as pages for people: one self-contained HTML file, a markdown artifact, rows for the screen."""

from tidemill.pages.document import PageFacts, write_page
from tidemill.pages.summary import backtest_page, headline_rows, trial_sentence

__all__ = ["PageFacts", "backtest_page", "headline_rows", "trial_sentence", "write_page"]
