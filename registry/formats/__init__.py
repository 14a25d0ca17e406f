"""Reads model files that nobody has to trust: what a model is, what goes in, what comes out.

`inspection.inspect` is the door. The parsers run in a child process (`child`), shut in by
`confine` and watched by `sandbox`; nothing here ever loads or runs a model.
"""
