"""What is made of a model before a host runs it: exported, converted, optimised, explained, packaged.

Heavy libraries are imported inside the functions that need them: the command line starts without.
"""
