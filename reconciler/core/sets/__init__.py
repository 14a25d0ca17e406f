"""Sets: one file that makes many deployments. Pure.

`elements` says for what, `filling` puts an element's values into the template, `making` reads what
comes of it as if it had been written by hand, and `expanding` does that for all sets of a commit.
"""
