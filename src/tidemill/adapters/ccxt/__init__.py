"""Exchanges through ccxt: orders, market data and streams."""
