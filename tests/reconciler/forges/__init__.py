"""Forges, as their documents describe them."""
