"""Tidemill: scheduled market and sentiment data, models, forecasts and orders, each step provable."""

__version__ = "0.1.0"
