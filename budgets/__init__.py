"""Privacy budgets: what may be lost, and what has been. Knows no SQL."""
