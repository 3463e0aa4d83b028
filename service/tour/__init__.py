"""The tour: a temporary instance of the service, asked like a user would, every outcome checked."""
