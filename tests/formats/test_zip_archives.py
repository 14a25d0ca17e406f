"""The zip reader: what real writers write, and archives on which two readers could disagree."""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry import errors
from registry.formats.model import Opened
from registry.formats.zip_archive import Archive
from tests.formats import zip_archives

GOLDEN = Path(__file__).parent / "golden"
Read = Callable[[bytes], dict[str, bytes]]


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Read]:
    """Every record's content by its name."""
    place = tmp_path / "archive"
    opened: list[int] = []

    def contents(data: bytes) -> dict[str, bytes]:
        place.write_bytes(data)
        opened.append(os.open(place, os.O_RDONLY))
        archive = Archive(Opened("model.pt", len(data), opened[-1]))
        return {name: archive.read(record, 1 << 20) for name, record in archive.records.items()}

    yield contents
    for descriptor in opened:
        os.close(descriptor)


def by_python(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.parametrize("build", [zip_archives.honest, zip_archives.streamed])
def test_what_python_writes_is_read_as_python_reads_it(read: Read, build: Callable[[], bytes]):
    assert read(build()) == by_python(build())


@pytest.mark.parametrize("name", ["scripted.pt", "traced.pt", "quantised.pt", "state_dict.pt"])
def test_what_pytorch_writes_is_read_as_python_reads_it(read: Read, name: str):
    data = (GOLDEN / name).read_bytes()
    assert read(data) == by_python(data)


@pytest.mark.parametrize("name", zip_archives.FLAWS)
def test_a_flawed_archive_is_refused_with_its_flaw(read: Read, name: str):
    build, expected = zip_archives.FLAWS[name]
    with pytest.raises(errors.UnsafeModel, match=expected) as caught:
        read(build())
    assert caught.value.detail.startswith("model.pt: the zip archive: ")


def test_a_record_over_the_limit_is_not_unpacked(tmp_path: Path):
    place = tmp_path / "archive"
    place.write_bytes(zip_archives.honest())
    with place.open("rb") as file:
        archive = Archive(Opened("model.pt", place.stat().st_size, file.fileno()))
        with pytest.raises(errors.UnsafeModel, match="has 27 bytes, over 26"):
            archive.read(archive.records["m/b"], 26)


def test_every_flipped_byte_is_refused_or_changes_nothing_that_is_read(read: Read):
    whole = zip_archives.honest()
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 0x41
        try:
            found = read(bytes(flipped))
        except errors.UnsafeModel:
            continue
        assert found == by_python(whole), position


def test_every_prefix_is_refused(read: Read):
    whole = zip_archives.streamed()
    for length in range(len(whole)):
        with pytest.raises(errors.UnsafeModel):
            read(whole[:length])
