"""Accuracy on real purchases, beside the best that fixed bounds could give: `make bench-accuracy`."""
