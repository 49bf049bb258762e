"""``studio demo``: the whole way from a table to predictions, through the public API, as any client would go it."""
