"""How good answers are: metrics as scikit-learn defines them, their intervals, and the bounds.

A metric is prepared once for the answers to all samples, and then told for any weights of them: a
slice is weights of 0 and 1, a resample of the bootstrap is whole numbers. Pure.
"""
