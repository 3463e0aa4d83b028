"""Other systems on the same data, run in environments of their own: `make bench-peers`."""
