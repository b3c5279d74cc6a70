"""Backtests measured, sweeps and walk-forward."""
