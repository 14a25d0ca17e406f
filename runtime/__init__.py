"""Pulls a version, verifies it, loads it, serves it over the protocols clients already speak."""
