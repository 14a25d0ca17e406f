"""Explanations of what a version answers: asked of its own engine, behind everybody else."""
