"""A process that is killed while it puts a mark into a model: `python -m … FOLDER before|after`."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from registry.settings import Settings
from registry.store.blobs import BlobStore
from registry.usecases import opening, publish
from tests.registry.marking import files, marking
from tests.registry.publishing import ALICE, Publisher


class Dying:
    """A blob store that takes its process with it, before or after the first bytes are stored."""

    def __init__(self, store: BlobStore, moment: str) -> None:
        self._store, self._moment = store, moment

    def put(self, content: bytes, digest: str) -> None:
        if self._moment == "after":
            self._store.put(content, digest)
        os.kill(os.getpid(), signal.SIGKILL)

    def put_all(self, contents: Mapping[str, bytes]) -> None:
        raise AssertionError("nothing is put together here")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def main(folder: Path, moment: str) -> None:
    registry = marking(opening.open_registry(Settings(data_dir=folder)))
    alice = Publisher()
    alice.list_in(registry.settings.publishers_file)
    dying = replace(registry, blobs=cast("BlobStore", Dying(registry.blobs, moment)))
    publish.publish(dying, alice.draft(files()), ALICE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
