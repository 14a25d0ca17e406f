"""What it costs a host to verify a whole pulled version, next to hashing the same bytes alone."""

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import figures, repeating, trust
from bench.figures import Row
from registry.core import envelope, oms
from runtime.cache import Cache, Copy

_BYTES = 1 << 30
_BLOCK = 1 << 20
_REPETITIONS = 5


def rows(folder: Path) -> Iterator[Row]:
    """Everything that a start checks of the copy it has: signatures, the log's proof, each byte.

    The bytes are in the page cache, for both: what is compared is work, not the disk.
    """
    for count in (1, 1000):
        place = folder / f"pulled-{count}"
        place.mkdir()
        yield _row(place, count)


def _row(folder: Path, count: int) -> Row:
    files = _written(folder / "made", count)
    document, believed, wanted = trust.published(files)
    found = envelope.verify(document, believed, wanted)
    if not isinstance(found, envelope.Verified):
        raise TypeError("the envelope that was made here does not verify")
    cache = Cache(folder / "cache", keep=1)
    incoming = cache.incoming(wanted.digest, found.files)
    for file in files:
        (incoming / file.path).parent.mkdir(exist_ok=True)
        (folder / "made" / file.path).rename(incoming / file.path)
    copy = cache.admit(found, document)
    copy.lease.close()
    paths = [copy.files / file.path for file in files]

    def check() -> None:
        kept = cache.check(wanted, believed)
        if not isinstance(kept, Copy):
            raise TypeError(f"the copy that was made here does not verify: {kept}")
        kept.lease.close()

    compared = repeating.compared(
        partial(repeating.seconds, check),
        partial(repeating.seconds, lambda: [_hashed(path) for path in paths]),
        repetitions=_REPETITIONS,
    )
    return Row(
        "trust",
        f"pulled version of 1 GiB in {count} file{'s' if count > 1 else ''} verified, all of it",
        1 / compared.speed_ratio,
        "× sha256",
        f"sha256 of the same bytes: {compared.reference_seconds:.2f} s",
        bar=figures.at_most(1.1),
    )


def _written(folder: Path, count: int) -> list[oms.File]:
    block, each = os.urandom(_BLOCK), _BYTES // count
    (folder / "weights").mkdir(parents=True)
    files = []
    for number in range(count):
        path = f"weights/{number:04d}.bin"
        with (folder / path).open("wb") as file:
            file.write(number.to_bytes(8, "big"))
            while file.tell() < each:
                file.write(block[: each - file.tell()])
        files.append(oms.File(path, _hashed(folder / path), each))
    return files


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
