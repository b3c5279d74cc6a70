"""Approved targets become intents, placed exactly once."""
