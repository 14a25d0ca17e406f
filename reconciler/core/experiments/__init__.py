"""Experiments: two versions share a deployment's users until one is shown to be better. Pure.

`evidence` is the test that may be looked at at any time, `ratio` tells whether users were shared
out as they should be.
"""
