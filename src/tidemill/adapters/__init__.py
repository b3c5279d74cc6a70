"""One vendor per file; names, units, time and errors are translated here."""
