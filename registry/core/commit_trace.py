"""The trace of a change: whoever knows the commit can name it, and nobody has to be told.

A reconciler, another one that takes over from it, a registry and the runtimes on all hosts work on
one commit at different times, and any of them may be started anew in between. So trace and root
span are not drawn by chance and handed on, they follow from the commit.
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Root:
    """The trace's id and that of its first span, which stands for the commit itself."""

    trace: int
    span: int

    @property
    def traceparent(self) -> str:
        """As W3C Trace Context writes it into a header, sampled."""
        return f"00-{self.trace:032x}-{self.span:016x}-01"


def of(commit: str) -> Root:
    """The first 16 and the next 8 bytes of the SHA-256 of `plimsoll commit ` and the commit's id.

    No id is zero, which Trace Context forbids.
    """
    hashed = hashlib.sha256(f"plimsoll commit {commit}".encode()).digest()
    return Root(int.from_bytes(hashed[:16]) or 1, int.from_bytes(hashed[16:24]) or 1)
