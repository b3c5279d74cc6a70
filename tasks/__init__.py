"""One call each: retries, timeouts, names, tags, artifacts; no logic."""
