"""Promotions on a fleet on paper."""
