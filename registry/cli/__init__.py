"""The command `plimsoll`: for publishers, auditors and whoever runs a registry.

One module per group of commands; what is heavy is imported inside the commands, so that help
and completion are quick. Other packages add commands through the entry points
`plimsoll.commands`.
"""

from registry.cli.program import main

__all__ = ["main"]
