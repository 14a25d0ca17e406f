"""Reads model files that nobody has to trust: what a model is, what goes in, what comes out.

`inspection.Inspector` is the door. The parsers run in a child process (`child`), forked by a warm
parent (`zygote`), shut in by `confine` and watched by `sandbox`; nothing here ever loads or runs a
model. docs/formats.md says what is accepted and what is not.
"""
