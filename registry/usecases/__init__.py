"""What the registry does, one file a subject. Each writing function is one transaction.

A state change and the log entry about it are committed together: where the log cannot be
written, nothing happens.
"""
