"""What the command line ends with: the one list of exit codes, as docs/command-line.md shows it.

Each class of errors names its own out of it. Usage is 64 (sysexits.h), never 2: a pipeline would
read that as changes.
"""

from enum import IntEnum


class Exit(IntEnum):
    """Users' scripts branch on these."""

    OK = 0
    FAILED = 1
    CHANGES = 2
    REFUSED = 3
    NOT_ALLOWED = 4
    INTEGRITY = 5
    TIMED_OUT = 6
    USAGE = 64
    INTERRUPTED = 130
    BROKEN_PIPE = 141
