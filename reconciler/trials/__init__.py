"""Carries out a candidate's trials: asks it, watches it, runs a team's own test beside it.

What the answers mean is for `reconciler.core.trials` to say.
"""
