"""From a question to a noised answer. Knows no HTTP."""
