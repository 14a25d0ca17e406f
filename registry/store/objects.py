"""Objects in S3, GCS or Azure through obstore: every call bounded in time, every failure named.

No call carries more than some MiB, so the limit for one call is also a limit on how slow the
store may be; what failed for a passing reason is tried again within that limit.
"""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import AzureStore, from_url

from registry import errors
from registry.store.blobs import Buffer

PIECE = 8 * 1024 * 1024
_IN_FLIGHT = 3
# What S3 allows is 10,000.
_MOST_PIECES = 9_000
_RETRIES = 3
# Each may also be given as a file, under its name with _FILE behind it.
_SECRETS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "az": ("AZURE_STORAGE_ACCOUNT_KEY",),
}


@dataclass(frozen=True, slots=True)
class Found:
    """One object of a listing."""

    key: str
    size: int
    touched: datetime


class Objects:
    """`address` is such as `s3://bucket/prefix`; the environment gives endpoint and credentials.

    Each method raises Unavailable where the store does not do it in `seconds`, or so.
    """

    def __init__(self, address: str, *, seconds: float) -> None:
        limit = timedelta(seconds=seconds)
        try:
            self._store: Any = from_url(
                address,
                config=_from_files(address),
                client_options={
                    "allow_http": _is_plain_http_allowed(),
                    "timeout": limit,
                    "read_timeout": limit,
                    "connect_timeout": min(limit, timedelta(seconds=5)),
                },
                retry_config={"max_retries": _RETRIES, "retry_timeout": limit},
            )
        except (BaseError, ValueError) as error:
            raise errors.InvalidConfig(
                f"storage {address!r} cannot be opened: {_first_line(error)}",
                fix="write s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
            ) from error
        # What else a presigned PUT must carry.
        is_azure = isinstance(self._store, AzureStore)
        self.put_headers = {"x-ms-blob-type": "BlockBlob"} if is_azure else {}

    def size(self, key: str) -> int | None:
        with _answering():
            try:
                return int(obstore.head(self._store, key)["size"])
            except (NotFoundError, FileNotFoundError):
                return None

    def get(self, key: str, start: int, stop: int) -> memoryview:
        """At least one byte, at most PIECE; raises NotFound."""
        with _found(key):
            content = obstore.get_range(self._store, key, start=start, end=stop)
        return _whole(content, key, start, stop)

    async def get_soon(self, key: str, start: int, stop: int) -> memoryview:
        """As `get`."""
        with _found(key):
            content = await obstore.get_range_async(self._store, key, start=start, end=stop)
        return _whole(content, key, start, stop)

    def put(self, key: str, content: Buffer) -> None:
        """Replaces what is there, at once and whole."""
        with _answering():
            obstore.put(self._store, key, content, use_multipart=False)

    def create(self, key: str, content: Buffer) -> bool:
        """Put unless there is such an object; says whether it was put."""
        with _answering():
            try:
                obstore.put(self._store, key, content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    async def create_soon(self, key: str, content: Buffer) -> bool:
        """As `create`."""
        with _answering():
            try:
                await obstore.put_async(self._store, key, content, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def put_stream(self, key: str, pieces: Iterator[Buffer], *, most: int) -> None:
        """Appears whole at its end; not at all where `pieces` raises. `most` bytes may come."""
        with _answering():
            obstore.put(self._store, key, pieces, **_multipart(most))

    async def put_stream_soon(self, key: str, pieces: AsyncIterator[Buffer], *, most: int) -> None:
        """As `put_stream`."""
        with _answering():
            await obstore.put_async(self._store, key, pieces, **_multipart(most))

    def delete(self, keys: Sequence[str]) -> None:
        """In this order; nothing happens for those that are not there."""
        for key in keys:
            with _answering():
                try:
                    obstore.delete(self._store, key)
                except (NotFoundError, FileNotFoundError):
                    continue

    def list(self, folder: str) -> Iterator[Found]:
        """All objects under `folder`, in no particular order."""
        with _answering():
            for page in obstore.list(self._store, prefix=folder, chunk_size=1000):
                for item in page:
                    yield Found(item["path"], item["size"], item["last_modified"])

    def sign(self, method: Literal["GET", "PUT"], key: str, life: timedelta) -> str | None:
        """An address for whoever has it; None where these credentials cannot make one."""
        try:
            return str(obstore.sign(self._store, method, key, life))
        except (BaseError, ValueError, TypeError):
            return None


def _from_files(address: str) -> Any:
    """What variables such as AWS_SECRET_ACCESS_KEY_FILE name, for secrets that come as files."""
    found = {}
    for name in _SECRETS.get(address.partition("://")[0], ()):
        if path := os.environ.get(f"{name}_FILE"):
            try:
                found[name.lower()] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise errors.InvalidConfig(
                    f"{name}_FILE names {path}, which cannot be read: {error}",
                    fix="let it name a file with the value alone in it, readable for the registry",
                ) from error
    return found


def _is_plain_http_allowed() -> bool:
    # Options given in code replace those that obstore would find in the environment.
    names = (f"{vendor}_ALLOW_HTTP" for vendor in ("AWS", "AZURE", "GOOGLE"))
    return any(os.environ.get(name, "").lower() in ("1", "true") for name in names)


def _multipart(most: int) -> dict[str, Any]:
    return {
        "use_multipart": True,
        "chunk_size": max(PIECE, -(-most // _MOST_PIECES)),
        "max_concurrency": _IN_FLIGHT,
    }


def _whole(content: obstore.Bytes, key: str, start: int, stop: int) -> memoryview:
    view = memoryview(content)
    if len(view) != stop - start:
        raise errors.IntegrityError(f"object {key} ends at byte {start + len(view)}")
    return view


@contextmanager
def _found(key: str) -> Iterator[None]:
    with _answering():
        try:
            yield
        except (NotFoundError, FileNotFoundError):
            raise errors.NotFound(f"no object {key}") from None


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise errors.Unavailable(
            f"the object store does not answer: {_first_line(error)}",
            fix="check its address, its credentials and that it is up",
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
