"""Frozen values and the words of the field. Standard library only."""
