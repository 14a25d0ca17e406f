"""Stores signed model versions, their metadata and an append-only log of all that happened."""
