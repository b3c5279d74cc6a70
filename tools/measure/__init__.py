"""Figures of the source itself: names, sizes, annotations, docstrings, tests.

``python -m tools.measure`` prints the table; the goals and the figures of the commit to compare with are in
:mod:`tools.measure.table`.
"""
