"""Orders against bars: fills, fees, balances. Pure."""
