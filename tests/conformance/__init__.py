"""Suites for protocols that are not ours, which run against any server at a URL."""
