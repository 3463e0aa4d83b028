"""Implementations of the engine protocol; none of them knows another."""
