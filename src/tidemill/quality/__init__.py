"""Bars and posts judged: good, rejected with the reason, gaps."""

from tidemill.quality.bars import CheckedBars, check_bars
from tidemill.quality.posts import CheckedPosts, check_posts

__all__ = ["CheckedBars", "CheckedPosts", "check_bars", "check_posts"]
