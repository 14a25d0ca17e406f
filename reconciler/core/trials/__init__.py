"""Checks of a candidate beyond its metrics: what they ask, what they find, and in which words.

Each file is one check, pure: from what was measured or answered to the reasons against the
candidate, none where it holds, and to numbers for the evidence.
"""
