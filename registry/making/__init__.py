"""What is made of a model before a host runs it: exports, conversions, optimised and packed ones.

Heavy libraries are imported inside the functions that need them: the command line starts without.
"""
