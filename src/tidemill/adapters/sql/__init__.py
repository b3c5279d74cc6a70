"""SQLite and PostgreSQL: the ledger, the market store, and their migrations."""
