"""Blobs in an object store (S3, GCS, Azure) through obstore: one object per blob.

An upload is spooled and checked locally first, so only verified bytes ever get a name. Objects
are created if absent: of two writers of one digest the second finds it done.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import from_url

from registry import errors
from registry.store.blobs import BLOCK

_PART = 8 * 1024 * 1024


class BucketStore:
    """`address` is such as `s3://bucket/prefix`; the environment gives endpoint and credentials."""

    def __init__(self, address: str) -> None:
        self.store = from_url(address)

    def size(self, digest: str) -> int | None:
        with _answering():
            try:
                return int(obstore.head(self.store, _key(digest))["size"])
            except (NotFoundError, FileNotFoundError):
                return None

    def adopt(self, spooled: Path, digest: str) -> None:
        if self.size(digest) != spooled.stat().st_size:
            with _answering():
                # A multipart upload appears whole at its end or not at all.
                obstore.put(self.store, _key(digest), spooled, chunk_size=_PART)
        spooled.unlink()

    def put(self, content: bytes, digest: str) -> None:
        with _answering():
            try:
                obstore.put(self.store, _key(digest), content, mode="create")
            except AlreadyExistsError:
                return

    async def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
        if start == stop:
            return
        with _found(digest):
            answer = await obstore.get_async(
                self.store, _key(digest), options={"range": (start, stop)}
            )
            async for block in answer.stream(min_chunk_size=BLOCK):
                yield bytes(block)

    def local(self, digest: str, folder: Path) -> Path:
        target = folder / digest.removeprefix("sha256:")
        if target.exists():
            return target
        with _found(digest), target.open("xb") as file:
            for block in obstore.get(self.store, _key(digest)).stream(min_chunk_size=BLOCK):
                file.write(block)
        return target

    def delete(self, digest: str) -> None:
        with _answering(), suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self.store, _key(digest))

    def digests(self) -> Iterator[str]:
        for page in obstore.list(self.store, prefix="sha256"):
            for found in page:
                yield "sha256:" + found["path"].rpartition("/")[2]


def _key(digest: str) -> str:
    name = digest.removeprefix("sha256:")
    return f"sha256/{name[:2]}/{name}"


@contextmanager
def _found(digest: str) -> Iterator[None]:
    with _answering():
        try:
            yield
        except (NotFoundError, FileNotFoundError):
            raise errors.NotFound(
                f"no blob {digest}", fix="upload it first, or check the digest"
            ) from None


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise errors.Unavailable(
            f"the object store does not answer: {str(error).splitlines()[0][:200]}",
            fix="check its address, its credentials and that it is up",
        ) from error
