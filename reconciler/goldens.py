"""Golden data at hand: out of Git as it came, out of the registry once, and kept by its digest.

What is kept is verified whenever it is read, so that a file that rotted or was changed is fetched
anew. Of the bytes, and of what they were parsed to, the last few stay.
"""

import contextlib
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from reconciler import client
from reconciler.core import golden
from reconciler.core.kinds.template import AcceptanceSpec, Dataset
from registry import errors
from registry.core import canonical, digest

FOLDER = "datasets"
_FILES_KEPT = 16
_PARSED_KEPT = 2
_LARGEST = 256 << 20


class Goldens:
    """One per reconciler; safe from several threads. Files lie in `folder`."""

    def __init__(self, registry: client.Registry, folder: Path) -> None:
        self._registry = registry
        self._folder = folder / FOLDER
        self._lock = threading.Lock()
        self._parsed: OrderedDict[bytes, golden.Golden] = OrderedDict()
        for draft in self._folder.glob(".*"):  # of one that was killed: each may be large
            draft.unlink(missing_ok=True)

    def read(self, spec: AcceptanceSpec, in_git: Mapping[str, bytes]) -> golden.Golden:
        """The data that `spec` asks for; raises `InvalidInput` where it is none.

        Raises `NotFound` and `Unavailable` where the registry does not give it.
        """
        dataset = spec.dataset
        said = spec.model_dump(mode="json", by_alias=True, include={"dataset", "slices"})
        key = canonical.encode({**said, "classes": spec.asks_classes})
        with self._lock:
            if key in self._parsed:
                self._parsed.move_to_end(key)
                return self._parsed[key]
        data = in_git[dataset.path] if dataset.path is not None else self._pulled(dataset)
        found = golden.read(data, spec)
        with self._lock:
            self._parsed[key] = found
            while len(self._parsed) > _PARSED_KEPT:
                self._parsed.popitem(last=False)
        return found

    def _pulled(self, dataset: Dataset) -> bytes:
        file = self._folder / dataset.digest.removeprefix("sha256:")
        with contextlib.suppress(FileNotFoundError):
            data = file.read_bytes()
            if digest.of(data) == dataset.digest:
                os.utime(file)
                return data
        data = self._fetched(dataset)
        self._keep(file, data)
        return data

    def _fetched(self, dataset: Dataset) -> bytes:
        try:
            data = self._registry.pushed(dataset.artifact or "", dataset.digest, most=_LARGEST)
        except errors.NotFound as error:
            raise errors.NotFound(
                f"the registry has no golden data {dataset.place}",
                fix=f"push it: oras push REGISTRY/{dataset.artifact}:1 FILE",
            ) from error
        found = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if found != dataset.digest:
            raise errors.DigestMismatch(
                f"the registry gave {found} for the golden data {dataset.place}",
                fix="look at the registry's disk, and at who is between it and here",
            )
        return data

    def _keep(self, file: Path, data: bytes) -> None:
        """Whole or not at all; a crash leaves a draft that the next start removes."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        draft = self._folder / f".{file.name}.{threading.get_ident()}"
        draft.write_bytes(data)
        draft.replace(file)
        kept = [one for one in self._folder.iterdir() if not one.name.startswith(".")]
        kept.sort(key=lambda one: one.stat().st_mtime, reverse=True)
        for old in kept[_FILES_KEPT:]:
            old.unlink(missing_ok=True)
