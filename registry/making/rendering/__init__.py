"""A version's files and settings laid out for others to run: texts alone, written by nobody here.

Each renderer gives a mapping from path to text, and says where the version's own files belong.
"""
