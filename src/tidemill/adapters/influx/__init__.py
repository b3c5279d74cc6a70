"""Bars in InfluxDB: versions 2, 1.8 and 3."""
