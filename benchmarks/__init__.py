"""Programs behind docs/performance.md."""
