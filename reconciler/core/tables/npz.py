"""An npz file: each array is a column, its first dimension the samples. Pickles are refused."""

import io
import zipfile
from typing import Any

import numpy as np

from reconciler.core.tables.table import UNPACKED_LIMIT, Table
from registry.errors import InvalidInput

_ARRAYS_LIMIT = 1000


def read(data: bytes, place: str) -> Table:
    """All arrays; what the file claims to be is bounded before anything is unpacked."""
    try:
        _require_small(data, place)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            columns = {name: _column(archive[name], name, place) for name in archive.files}
    # numpy tells malformed headers by many an exception, of zlib's, struct's and tokenize's too.
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, SyntaxError, MemoryError) as error:
        raise _unreadable(place, error) from error
    # NotImplementedError is how zipfile names a compression that it does not know.
    except (KeyError, TypeError, NotImplementedError, RuntimeError, OverflowError) as error:
        raise _unreadable(place, error) from error
    except Exception as error:
        if type(error).__module__ not in ("zlib", "struct", "tokenize"):
            raise
        raise _unreadable(place, error) from error
    return Table(place, columns, lambda one: f"{place}: sample {one + 1}")


def _require_small(data: bytes, place: str) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if len(members) > _ARRAYS_LIMIT:
        raise InvalidInput(f"{place}: more than {_ARRAYS_LIMIT} arrays")
    if sum(one.file_size for one in members) > UNPACKED_LIMIT:
        raise InvalidInput(f"{place}: unpacks to more than {UNPACKED_LIMIT >> 30} GiB")


def _column(found: Any, name: str, place: str) -> Any:
    if not isinstance(found, np.ndarray):
        raise InvalidInput(f"{place}: {name!r} is no array of numpy's")
    if found.ndim == 0:
        raise InvalidInput(f"{place}: array {name!r} has no samples: it is a single value")
    if found.dtype.kind not in "biufUS":
        raise InvalidInput(f"{place}: array {name!r} is of type {found.dtype}")
    return found.astype(np.str_) if found.dtype.kind == "S" else found


def _unreadable(place: str, error: Exception) -> InvalidInput:
    return InvalidInput(f"{place}: not an npz file: {type(error).__name__}: {str(error)[:200]}")
