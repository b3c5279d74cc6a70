"""The machine that runs this: its packages and its processor."""
