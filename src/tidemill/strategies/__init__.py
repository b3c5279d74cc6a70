"""A strategy of one's own: a file is loaded, and examined before anything is risked on it."""

from tidemill.strategies.examination import Evidence, Examination, examine_strategy
from tidemill.strategies.files import FileStrategy, choose_strategy, load_strategy

__all__ = ["Evidence", "Examination", "FileStrategy", "choose_strategy", "examine_strategy", "load_strategy"]
