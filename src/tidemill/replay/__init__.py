"""Drives demo, parity and up: starts and stops servers, moves the market clock."""
