"""Bars of SQLite read and written through its C interface."""
