"""Fuzzing of what strangers can send: the runtime's parsers, through the front door.

`make fuzz` lets atheris look for inputs, guided by what they reach; `test_targets.py` runs the same
targets on their seeds, and on what hypothesis makes of them.
"""
