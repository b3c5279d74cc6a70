"""Texts from X, Reddit and NewsAPI."""
