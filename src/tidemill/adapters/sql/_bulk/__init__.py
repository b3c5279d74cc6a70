"""Long ranges of bars in a SQLite file, read and written through SQLite's C interface straight from arrays.

Why: Python's driver makes an object of every number. On 200,000 bars that is most of a read, and on a backfill a third
of the whole. Measured on one machine, both ways in turn, medians: 200,000 bars 0.26 s this way and 1.79 s the plain
way (6.8 times); a backfill of 864,000 bars (P5 of docs/performance.md) 5.3 s with bulk writes and 8.0 s without (best
runs 4.2 and 5.9 s). Writes are kept because P5 would fall by more than a tenth without them.

How: `bars.BulkBars` is the one door, and `adapters/sql/market/_bars` the one who knocks. `columns` opens connections
with the very copy of SQLite that Python's own module is linked with, `stepping` is the compiled loop over rows.

When not: it is not there on PostgreSQL, in memory, or when switched off (`adapters/compiled_io`), and gives None when
SQLite's library is out of reach or a read is refused. The caller then takes the plain way on the ordinary engine, which
gives the same rows and tells what is wrong. A short range always goes the plain way: there this one wins nothing.
"""
