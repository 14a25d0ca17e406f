"""`plimsoll_steps.json`: what is done to a client's tensors before the model and after it.

The registry reads it when a version is published, the runtime when it is loaded: one parser.
"""

FILE = "plimsoll_steps.json"
LARGEST_FILE = 64 << 10
