"""A Parquet file, by Apache Arrow's own implementation in Rust: columns of numbers, of texts, and
of lists of numbers that are all of one length."""

import io
from collections.abc import Iterable

import numpy as np
from arro3 import io as arrow
from arro3.core import ChunkedArray, DataType, list_flatten
from arro3.core import Table as ArrowTable

from reconciler.core.tables.table import ROWS_LIMIT, UNPACKED_LIMIT, Column, Table
from registry.errors import InvalidInput

_BATCH = 16_384
_MAGIC = b"PAR1"
_TEXTS = (DataType.is_dictionary, DataType.is_string, DataType.is_large_string)
_NUMBERS = (DataType.is_boolean, DataType.is_numeric)
_LISTS = (DataType.is_list, DataType.is_large_list, DataType.is_fixed_size_list)


def read(data: bytes, place: str, wanted: Iterable[str]) -> Table:
    """The columns in `wanted`, and all that begin with one of it that ends with `*`."""
    if len(data) < 12 or not data.startswith(_MAGIC) or not data.endswith(_MAGIC):
        raise InvalidInput(f"{place}: not a Parquet file")
    try:
        found = _read(data, place)
    except BaseException as error:
        # Rust's panics come as this, which is no Exception; arro3 exports no name for it.
        if type(error).__name__ != "PanicException" and not isinstance(error, Exception):
            raise
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{place}: not a Parquet file: {str(error)[:200]}") from None
    names = [*wanted]
    columns = {
        name: _column(found.column(name), name, place)
        for name in found.column_names
        if any(name == one or (one.endswith("*") and name.startswith(one[:-1])) for one in names)
    }
    return Table(place, columns, lambda one: f"{place}: sample {one + 1}")


def _read(data: bytes, place: str) -> ArrowTable:
    reader = arrow.read_parquet(io.BytesIO(data), batch_size=_BATCH)
    batches, rows, size = [], 0, 0
    for batch in reader:
        rows += batch.num_rows
        size += batch.nbytes
        if rows > ROWS_LIMIT or size > UNPACKED_LIMIT:
            raise InvalidInput(
                f"{place}: more than {ROWS_LIMIT:,} samples, or {UNPACKED_LIMIT >> 30} GiB"
            )
        batches.append(batch)
    return ArrowTable.from_batches(batches, schema=reader.schema)


def _column(found: ChunkedArray, name: str, place: str) -> Column:
    if found.null_count:
        raise InvalidInput(f"{place}: column {name!r} lacks {found.null_count} values")
    kind = found.type
    if any(are(kind) for are in _TEXTS):
        return np.array([str(one) for one in found.to_pylist()], dtype=object)
    if any(are(kind) for are in _NUMBERS):
        return np.asarray(found.to_numpy())
    if any(are(kind) for are in _LISTS):
        return _lists(found, name, place)
    raise InvalidInput(f"{place}: column {name!r} is of type {kind}")


def _lists(found: ChunkedArray, name: str, place: str) -> Column:
    """One row of numbers for each sample."""
    flat = list_flatten(found.combine_chunks())
    if flat.null_count or len(found) == 0 or len(flat) % len(found):
        raise InvalidInput(f"{place}: column {name!r} has not as many numbers for each sample")
    ends = {len(one) for one in found.to_pylist()}
    if len(ends) != 1:
        raise InvalidInput(f"{place}: column {name!r} has not as many numbers for each sample")
    return np.asarray(flat.to_numpy()).reshape(len(found), -1)
