"""A test in a container that does what its parameter `code` says."""

import json
import os

exec(json.loads(os.environ["PLIMSOLL_TRIAL"])["parameters"]["code"])  # noqa: S102  that is its use
