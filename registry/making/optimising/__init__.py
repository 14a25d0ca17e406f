"""A recipe at work: each step in a process of its own, kept by what it was made of, and measured.

ONNX in, ONNX out, so that it serves models from every framework alike.
"""
