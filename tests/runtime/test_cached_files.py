"""A cached copy against its manifest, file by file: nothing missing, changed, added or linked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.core import envelope
from registry.core.envelope import Refused
from runtime.cache import Cache, Copy
from tests.core.publication import Publication

# More files than are hashed at once, in folders.
CONTENTS = {f"{number % 3}/{number:02d}.bin": b"%d" % number for number in range(23)}


@pytest.fixture(scope="module")
def published() -> Publication:
    return Publication(CONTENTS)


@pytest.fixture
def cache(tmp_path: Path, published: Publication) -> Cache:
    made = Cache(tmp_path / "cache", keep=1)
    found = envelope.verify(published.envelope(), published.trust, published.wanted)
    assert isinstance(found, envelope.Verified)
    folder = made.incoming(published.wanted.digest, found.files)
    for path, content in CONTENTS.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    made.admit(found, published.envelope()).lease.close()
    return made


def files(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "cache" / "versions").iterdir()
    return folder / "files"


def test_an_untouched_copy_verifies(cache: Cache, published: Publication) -> None:
    found = cache.check(published.wanted, published.trust)
    assert isinstance(found, Copy)
    found.lease.close()


@pytest.mark.parametrize("path", CONTENTS)
def test_a_changed_file_is_noticed_wherever_it_stands(
    cache: Cache, published: Publication, tmp_path: Path, path: str
) -> None:
    (files(tmp_path) / path).write_bytes(b"other")
    found = cache.check(published.wanted, published.trust)
    assert isinstance(found, Refused)
    assert f"file {path!r} has the digest" in found.reason


def missing(folder: Path) -> None:
    (folder / "1" / "07.bin").unlink()


def added(folder: Path) -> None:
    (folder / "1" / "hook").write_bytes(b"payload")


def added_in_a_new_folder(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "hook").write_bytes(b"payload")


def linked_file(folder: Path) -> None:
    (folder / "1" / "07.bin").rename(folder.parent / "elsewhere")
    (folder / "1" / "07.bin").symlink_to(folder.parent / "elsewhere")


def linked_folder(folder: Path) -> None:
    (folder / "1").rename(folder.parent / "elsewhere")
    (folder / "1").symlink_to(folder.parent / "elsewhere")


def added_link(folder: Path) -> None:
    (folder / "more").symlink_to("/etc")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (missing, "file '1/07.bin': No such file"),
        (added, "file '1/hook' is not part of the version"),
        (added_in_a_new_folder, "file '.git/hook' is not part of the version"),
        (linked_file, "file '1/07.bin': Too many levels of symbolic links"),
        (linked_folder, "file '1' is not part of the version"),
        (added_link, "file 'more' is not part of the version"),
    ],
)
def test_a_copy_that_is_not_exactly_its_files_is_refused(
    cache: Cache,
    published: Publication,
    tmp_path: Path,
    change: Callable[[Path], None],
    said: str,
) -> None:
    change(files(tmp_path))
    found = cache.check(published.wanted, published.trust)
    assert isinstance(found, Refused)
    assert said in found.reason
