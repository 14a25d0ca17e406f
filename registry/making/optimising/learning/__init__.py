"""What of a recipe learns: an ONNX graph as a network of PyTorch, students, gates and schedules.

Only a process that has shut itself in imports it.
"""
