"""A model as a trainer has it, or in one format, made into files of another and compared with it.

`export` is the one call; `plimsoll export` and `plimsoll convert` are the same for a shell.
"""

from registry.making.exporting.exports import convert, export
from registry.making.exporting.report import Report, Tolerance

__all__ = ["Report", "Tolerance", "convert", "export"]
