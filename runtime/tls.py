"""How the registry is told from anybody else who answers at its address."""

import functools
import ssl
from pathlib import Path

from registry import errors


@functools.lru_cache(maxsize=4)
def trusting(authority: Path | None) -> ssl.SSLContext:
    """TLS that takes the registry for itself if its certificate is from `authority`; None for
    the system's. Raises `InvalidConfig`. Nobody may change what is returned."""
    return made(authority)


def made(authority: Path | None) -> ssl.SSLContext:
    """The same, to be added to."""
    try:
        return ssl.create_default_context(cafile=None if authority is None else str(authority))
    except OSError as error:
        raise errors.InvalidConfig(
            f"{authority}: cannot be read as authorities: {error}"
        ) from error
