"""Which files go together in one request: to send a small one again costs less than to ask."""

from collections.abc import Iterator, Sequence

from registry.core.oms import File

SMALL = 2 * 1024 * 1024
_BYTES = 16 * 1024 * 1024
_FILES = 1000


def of(files: Sequence[File]) -> Iterator[list[File]]:
    """The small ones among them, as many as go in one request."""
    batch: list[File] = []
    size = 0
    for file in files:
        if file.size > SMALL:
            continue
        if batch and (size + file.size > _BYTES or len(batch) == _FILES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch
