"""What an inspection fetches from the blob store: a folder's own files, a bucket's only in part."""

import dataclasses
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from registry.core.oms import File
from registry.settings import Settings
from registry.store.folder import FolderStore
from registry.usecases import inspection, opening
from registry.usecases.opening import Registry
from tests.formats import onnx_models, safetensors_models


class Bucket(FolderStore):
    """A folder that gives its blobs as a bucket does: not as files, and counting what is read."""

    fetched = 0

    def open(self, digest: str) -> None:  # type: ignore[override]
        return None

    def local(self, digest: str, folder: Path) -> Path:
        content = self.path(digest).read_bytes()
        self.fetched += len(content)
        place = folder / digest.removeprefix("sha256:")
        place.write_bytes(content)
        return place

    async def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
        content = self.path(digest).read_bytes()[start:stop]
        self.fetched += len(content)
        yield content


@pytest.fixture(params=["folder", "bucket"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    opened = opening.open_registry(Settings(tmp_path / "registry"))
    if request.param == "bucket":
        opened = dataclasses.replace(opened, blobs=Bucket(tmp_path / "bucket"))
    yield opened
    opened.close()


def stored(registry: Registry, contents: Mapping[str, bytes]) -> tuple[File, ...]:
    files = []
    for path, content in contents.items():
        files.append(File(path, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)))
        registry.blobs.put(content, files[-1].digest)
    return tuple(files)


def test_an_onnx_model_with_external_data_is_inspected(registry: Registry):
    files = stored(registry, onnx_models.with_external_data())
    assert inspection.inspect(registry, "onnx", files).signature.inputs[0].name == "x"


def test_only_the_start_of_large_weights_is_fetched(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("registry.formats.detect.SAFETENSORS_HEADER", 4096)
    large = {"w": safetensors_models.entry(0, 1 << 20, "U8", (1 << 20,))}
    files = stored(registry, safetensors_models.files(large, bytes(1 << 20)))
    found = inspection.inspect(registry, "safetensors", files)
    assert found.detail["bytes"] == 1 << 20
    assert getattr(registry.blobs, "fetched", 0) <= 8 + 4096


def test_nothing_is_left_open_or_lying_about(registry: Registry):
    files = stored(registry, safetensors_models.shards())
    inspection.inspect(registry, "safetensors", files)
    assert not [name for name in open_files() if "memfd:start" in name or "/blobs/" in name]
    assert not list(registry.settings.data_dir.glob("inspect-*"))


def open_files() -> Iterator[str]:
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # of another thread's, closed meanwhile
            yield str(link.readlink())
