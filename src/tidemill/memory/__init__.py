"""Every port in memory: the exact backtest and the tests stand on it."""
