"""What a stranger can check: signed receipts, a tree over the entries, exports and their verification."""
