"""How long to wait before what failed is tried again: longer each time, and not all at once."""

import secrets
from collections.abc import Iterator

_FIRST_SECONDS, _LONGEST_SECONDS = 0.5, 30.0


def growing() -> Iterator[float]:
    """Seconds, without end: doubled each time up to half a minute, and a quarter more or less."""
    pause = _FIRST_SECONDS
    while True:
        yield pause * (0.75 + secrets.randbelow(50) / 100)
        pause = min(pause * 2, _LONGEST_SECONDS)
