"""Reports to be published: what is recorded, who may ask, what was released. From ledger and policies alone."""
