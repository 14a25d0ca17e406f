"""Variables for engines and libraries, from a file that holds secrets too.

They are not in the container's own configuration, where `docker inspect` would show them, nor in
the block that the kernel shows of a process: this one sets them for itself and for the processes
that it starts. What is read from here is never logged, and no error repeats it.
"""

import importlib
import os
from pathlib import Path

from registry.core import canonical
from registry.errors import InvalidConfig, InvalidInput

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def take(path: Path | None) -> None:
    """Set what the file holds, before anything reads it; raises `InvalidConfig`."""
    for name, value in read(path).items() if path is not None else ():
        os.environ[name] = value


def import_numpy() -> None:
    """With a BLAS of one thread, unless the variable is set: its others would first spin for as
    long as all of numpy takes to be imported, and what is reckoned here is small. Engines, and
    processes that are started, are told nothing of it."""
    is_set = _BLAS_THREADS in os.environ
    os.environ.setdefault(_BLAS_THREADS, "1")
    importlib.import_module("numpy")
    if not is_set:
        del os.environ[_BLAS_THREADS]


def read(path: Path) -> dict[str, str]:
    """The variables in the file, by name; raises `InvalidConfig`, which names at most those."""
    try:
        found = canonical.decode_object(path.read_bytes(), what=path.name)
    except OSError as error:
        raise InvalidConfig(f"{path.name}: cannot be read: {error.strerror}") from error
    except InvalidInput:
        raise InvalidConfig(f"{path.name}: is no JSON object") from None
    for name, value in found.items():
        if not isinstance(value, str) or "\0" in value or "=" in name or not name:
            raise InvalidConfig(f"{path.name}: {name[:80]!r} is no variable of text")
    return {name: str(value) for name, value in found.items()}
