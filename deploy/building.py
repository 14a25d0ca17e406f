"""Docker's own build and import, fed with streams: no copy of a context is kept on disk."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import docker
import docker.errors

from deploy import tars

_LABEL = "dev.plimsoll.content"
_PART = "dev.plimsoll.part"
_CHUNK = 1 << 20


class Builder:
    """One engine. `content` is a digest of all that an image is made of."""

    def __init__(self, address: str) -> None:
        self._api = docker.APIClient(base_url=address, version="auto", timeout=600)
        self._api.trust_env = False

    def holds(self, image: str, content: str) -> bool:
        """Whether `image` is there and was made of just this."""
        try:
            about: dict[str, Any] = self._api.inspect_image(image)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return False
        labels = about["Config"].get("Labels") or {}
        return bool(labels.get(_LABEL) == content)

    def build(
        self,
        context: Mapping[str, Path],
        *,
        image: str,
        content: str,
        arguments: Mapping[str, str],
        target: str = "",
    ) -> None:
        """`docker build` of `context` (path in it -> path here), without a network."""
        progress = self._api.build(
            fileobj=_Stream(lambda stream: _write_context(stream, context)),  # type: ignore[arg-type]
            custom_context=True,
            tag=image,
            buildargs=dict(arguments),
            labels={_LABEL: content, _PART: image},
            target=target,
            network_mode="none",
            rm=True,
            forcerm=True,
            decode=True,
        )
        try:
            failures = [line["error"].strip() for line in progress if "error" in line]
        except docker.errors.APIError as error:
            failures = [str(error.explanation)]
        if failures:
            sys.exit(f"{image}: {failures[0]}")

    def import_tar(
        self,
        write: Callable[[IO[bytes]], None],
        *,
        image: str,
        content: str,
        changes: list[str],
    ) -> None:
        """`docker import`: one layer, a third of the time that a build needs."""
        repository, _, tag = image.partition(":")
        answer = self._api.import_image_from_data(
            iter(_Stream(write)),
            repository=repository,
            tag=tag,
            changes=[*changes, f"LABEL {_LABEL}={content} {_PART}={image}"],
        )
        if '"error"' in answer:
            sys.exit(f"{image}: {answer.strip()}")

    def sweep(self) -> None:
        """Remove what newer images of ours have taken the name of, unless a container uses it."""
        unnamed = {"dangling": True, "label": _PART}
        self._api.prune_images(filters=unnamed)  # type: ignore[no-untyped-call]

    def drop_others(self, image: str, *, begin: str) -> None:
        """Remove images of `image`'s repository whose tag begins so, where nothing needs them."""
        repository = image.partition(":")[0]
        found = self._api.images(name=repository)
        tags = {tag for entry in found for tag in entry["RepoTags"] or []}
        for tag in sorted(tags - {image}):
            if tag.startswith(f"{repository}:{begin}"):
                # A conflict: another image was built from it, or a container runs it.
                with contextlib.suppress(docker.errors.APIError):
                    self._api.remove_image(tag)

    def close(self) -> None:
        self._api.close()


class _Stream:
    """What `write` writes, as the iterable of chunks that an upload is made of."""

    def __init__(self, write: Callable[[IO[bytes]], None]) -> None:
        self._write = write

    def __iter__(self) -> Iterator[bytes]:
        reading, writing = os.pipe()
        failure: list[BaseException] = []
        # An engine that refuses early reads no further: nobody waits for the rest then.
        thread = threading.Thread(target=self._run, args=(writing, failure), daemon=True)
        thread.start()
        with os.fdopen(reading, "rb") as source:
            while chunk := source.read(_CHUNK):
                yield chunk
        thread.join()
        if failure:
            raise failure[0]

    def _run(self, writing: int, failure: list[BaseException]) -> None:
        try:
            with os.fdopen(writing, "wb") as sink:
                self._write(sink)
        except BaseException as error:  # noqa: BLE001  raised again by the reader
            failure.append(error)


def _write_context(stream: IO[bytes], context: Mapping[str, Path]) -> None:
    with tars.opened(stream) as archive:
        for name, path in context.items():
            archive.add(path, name)
