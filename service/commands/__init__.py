"""The commands of `kvitto`, one module a group."""
