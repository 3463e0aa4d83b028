"""HTTP, command line and client: the only package that knows both others."""
