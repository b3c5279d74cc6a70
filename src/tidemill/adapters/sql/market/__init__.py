"""Market data, posts, scores, gaps and budgets."""
