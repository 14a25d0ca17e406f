"""Watches a Git repository of desired-state files and converges Docker hosts to it."""
