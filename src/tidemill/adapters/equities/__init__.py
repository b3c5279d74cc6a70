"""Shares: bars of Yahoo and Alpha Vantage, and the sessions of their exchanges."""
