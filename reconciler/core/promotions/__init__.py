"""Promotions: when the version of one deployment comes to another one, and what Git is told."""
