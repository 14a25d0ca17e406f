"""Reading and proposing to real Git repositories."""

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from reconciler import clone as reconciler_clone
from reconciler import repo
from registry import errors
from tests.reconciler.origin import Origin

LIMIT = 100_000


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "remote")


def clone(origin: Origin, folder: Path) -> repo.Repository:
    author = ("Bot", "bot@example.com")
    return repo.Repository(origin.url, branch="main", folder=folder / "clone", author=author)


def test_fetch_follows_the_branch(origin: Origin, tmp_path: Path) -> None:
    here = clone(origin, tmp_path)
    first = origin.commit({"models.d/a.yaml": "a: 1\n"})
    assert here.fetch() == first
    second = origin.commit({"models.d/a.yaml": "a: 2\n"})
    assert here.fetch() == second
    assert here.read_at(first, "models.d/a.yaml", limit=LIMIT) == b"a: 1\n"
    assert here.read_at(second, "models.d/a.yaml", limit=LIMIT) == b"a: 2\n"


def test_fetch_follows_a_branch_that_was_rewritten(origin: Origin, tmp_path: Path) -> None:
    here = clone(origin, tmp_path)
    origin.commit({"models.d/a.yaml": "a: 1\n"})
    origin.commit({"models.d/a.yaml": "a: 2\n"})
    here.fetch()
    origin.git("reset", "--quiet", "--hard", "HEAD~1")
    origin.git("push", "--quiet", "--force", "origin", "main")
    assert here.fetch() == origin.git("rev-parse", "HEAD")


def test_only_the_asked_folders_are_listed_and_links_are_marked(
    origin: Origin, tmp_path: Path
) -> None:
    (origin.work / "models.d").mkdir()
    (origin.work / "models.d" / "passwd").symlink_to("/etc/passwd")
    commit = origin.commit({"models.d/a b.yaml": "x\n", "policies/p.yaml": "y\n", "other": "z\n"})
    here = clone(origin, tmp_path)
    here.fetch()
    found = {blob.path: blob.regular for blob in here.list(commit, ["models.d", "policies"])}
    assert found == {"models.d/a b.yaml": True, "models.d/passwd": False, "policies/p.yaml": True}
    assert here.read_at(commit, "models.d/passwd", limit=LIMIT) is None


def test_bytes_are_read_as_they_are(origin: Origin, tmp_path: Path) -> None:
    commit = origin.commit({"models.d/a.csv": "1,2\r\n3,4\n\n\n"})
    here = clone(origin, tmp_path)
    here.fetch()
    assert here.read_at(commit, "models.d/a.csv", limit=LIMIT) == b"1,2\r\n3,4\n\n\n"


def test_a_file_over_the_limit_is_refused_unread(origin: Origin, tmp_path: Path) -> None:
    commit = origin.commit({"models.d/big": "x" * 2000})
    here = clone(origin, tmp_path)
    here.fetch()
    with pytest.raises(errors.TooLarge, match=r"models.d/big has 2000 bytes, at most 1000"):
        here.read_at(commit, "models.d/big", limit=1000)


def test_many_files_are_read_together_those_over_the_limit_left_out(
    origin: Origin, tmp_path: Path
) -> None:
    texts = {f"models.d/m{number}.yaml": f"{number}\n\n" for number in range(50)}
    commit = origin.commit({**texts, "models.d/large": "x" * 101, "models.d/empty": ""})
    local = clone(origin, tmp_path / "clone")
    local.fetch()
    blobs = local.list(commit, ["models.d"])
    found = local.read_all(blobs, limit=100)
    read = {blob.path: found[blob.id].decode() for blob in blobs if blob.id in found}
    assert read == {**texts, "models.d/empty": ""}
    shutil.rmtree(tmp_path / "clone")
    known = [blob for blob in blobs if blob.id in found]
    assert local.read_all(known, limit=100) == found


def test_many_files_of_which_one_is_missing_are_git_unavailable(
    origin: Origin, tmp_path: Path
) -> None:
    commit = origin.commit({"models.d/a": "a", "models.d/b": "b"})
    local = clone(origin, tmp_path / "clone")
    local.fetch()
    blobs = [*local.list(commit, ["models.d"]), repo.Blob("models.d/c", "0" * 40, regular=True)]
    with pytest.raises(errors.GitUnavailable, match="object 000000000000 is no file here: missing"):
        local.read_all(blobs, limit=100)


def test_a_missing_remote_is_git_unavailable(tmp_path: Path) -> None:
    here = repo.Repository(
        str(tmp_path / "nowhere"), branch="main", folder=tmp_path / "clone", author=("a", "b")
    )
    with pytest.raises(errors.GitUnavailable, match=r"cannot fetch main from .*nowhere"):
        here.fetch()


def test_a_missing_branch_is_git_unavailable(origin: Origin, tmp_path: Path) -> None:
    origin.commit({"a": "1"})
    here = repo.Repository(
        origin.url, branch="release", folder=tmp_path / "clone", author=("a", "b")
    )
    with pytest.raises(errors.GitUnavailable, match="release"):
        here.fetch()


def test_the_branch_that_is_followed_is_never_pushed_to(origin: Origin, tmp_path: Path) -> None:
    commit = origin.commit({"models.d/a.yaml": "a: 1\n"})
    here = clone(origin, tmp_path)
    here.fetch()
    wish = repo.Proposal("main", commit, "models.d/a.yaml", b"a: 0", "Overwrite it", 1.0)
    with pytest.raises(errors.Conflict, match="never pushed to"):
        here.push(wish)
    assert origin.branch("main", "models.d/a.yaml") == "a: 1"


def test_a_broken_clone_is_made_again(origin: Origin, tmp_path: Path) -> None:
    commit = origin.commit({"models.d/a.yaml": "a: 1\n"})
    here = clone(origin, tmp_path)
    here.fetch()
    shutil.rmtree(tmp_path / "clone" / "refs")
    shutil.rmtree(tmp_path / "clone" / "objects")
    assert here.fetch() == commit


@pytest.fixture(autouse=True)
def locks_are_soon_known_to_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler_clone, "STILL_S", 0.1)


def killed_while_it_holds_a_lock(folder: Path) -> None:
    """The next Git that changes a reference of this clone dies right before it does."""
    hook = folder / "hooks" / "reference-transaction"
    hook.write_text('#!/bin/sh\n[ "$1" = prepared ] && rm "$0" && kill -9 $PPID\n')
    os.chmod(hook, 0o755)  # noqa: S103, PTH101  a hook must be executable


def locks(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.lock")}


def test_what_a_killed_git_locked_does_not_stop_the_next_one(
    origin: Origin, tmp_path: Path
) -> None:
    here, folder = clone(origin, tmp_path), tmp_path / "clone"
    first = origin.commit({"models.d/a.yaml": "a: 1\n"})
    here.fetch()
    second = origin.commit({"models.d/a.yaml": "a: 2\n"})
    killed_while_it_holds_a_lock(folder)
    with pytest.raises(errors.GitUnavailable):
        here.fetch()
    assert locks(folder) == {"refs/plimsoll/head.lock"}
    assert here.known() == first
    assert clone(origin, tmp_path).fetch() == second
    killed_while_it_holds_a_lock(folder)
    with pytest.raises(errors.GitUnavailable):
        here.keep(second)
    assert locks(folder) == {"refs/plimsoll/in-force.lock"}
    here.keep(second)
    assert locks(folder) == set()


def test_a_lock_that_somebody_lets_go_of_is_left_to_them(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler_clone, "STILL_S", 60)
    here, lock = clone(origin, tmp_path), tmp_path / "clone" / "refs" / "plimsoll" / "head.lock"
    origin.commit({"models.d/a.yaml": "a: 1\n"})
    here.fetch()
    commit = origin.commit({"models.d/a.yaml": "a: 2\n"})
    lock.write_text("held")
    held = lock.stat().st_ino
    kept = tmp_path / "kept"
    letting_go = threading.Timer(0.3, lambda: lock.rename(kept))
    letting_go.start()
    assert here.fetch() == commit
    letting_go.join()
    assert kept.stat().st_ino == held


def test_a_lock_in_the_remote_is_not_ours_to_remove(origin: Origin, tmp_path: Path) -> None:
    parent = origin.commit({"models.d/a.yaml": "1\n"})
    here = clone(origin, tmp_path)
    here.fetch()
    lock = Path(origin.url) / "refs" / "heads" / "x.lock"
    lock.touch()
    with pytest.raises(errors.GitUnavailable, match="cannot push branch x"):
        here.push(repo.Proposal("x", parent, "models.d/a.yaml", b"2\n", "m", 1e9))
    with pytest.raises(errors.GitUnavailable, match=r"x\.lock"):  # nobody was quicker
        here.extend(repo.Proposal("x", parent, "models.d/a.yaml", b"2\n", "m", 1e9))
    assert lock.exists()


@pytest.mark.parametrize("left", ["HEAD.lock", "config.lock"])
def test_a_clone_whose_making_was_killed_is_made(origin: Origin, tmp_path: Path, left: str) -> None:
    commit = origin.commit({"models.d/a.yaml": "a: 1\n"})
    folder = tmp_path / "clone"
    (folder / "refs").mkdir(parents=True)
    (folder / left).touch()
    assert clone(origin, tmp_path).fetch() == commit
    assert locks(folder) == set()


@pytest.mark.parametrize(("hours", "is_left"), [(25, False), (23, True)])
def test_git_may_tidy_up_again_a_day_after_it_was_killed_at_that(
    origin: Origin, tmp_path: Path, hours: float, *, is_left: bool
) -> None:
    origin.commit({"models.d/a.yaml": "a: 1\n"})
    here = clone(origin, tmp_path)
    here.fetch()
    lock = tmp_path / "clone" / "objects" / "maintenance.lock"
    lock.touch()
    then = time.time() - hours * 3600
    scratch = tmp_path / "clone" / f"{reconciler_clone.SCRATCH}a"
    scratch.mkdir()
    (scratch / "index").touch()
    for left in (lock, scratch):
        os.utime(left, (then, then))
    here.fetch()
    assert lock.exists() == is_left
    assert scratch.exists() == is_left


def test_an_empty_reference_is_a_broken_clone(origin: Origin, tmp_path: Path) -> None:
    """As a power cut may leave it."""
    commit = origin.commit({"models.d/a.yaml": "a: 1\n"})
    here = clone(origin, tmp_path)
    here.fetch()
    (tmp_path / "clone" / "refs" / "plimsoll" / "head").write_bytes(b"")
    assert here.fetch() == commit


def test_the_remote_cannot_name_a_program_to_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    here = repo.Repository(
        f"ext::sh -c touch% {marker}", branch="main", folder=tmp_path / "c", author=("a", "b")
    )
    with pytest.raises(errors.GitUnavailable):
        here.fetch()
    assert not marker.exists()


def test_a_pushed_proposal_changes_one_file_and_can_be_repeated(
    origin: Origin, tmp_path: Path
) -> None:
    parent = origin.commit({"models.d/a.yaml": "version: 2\n", "models.d/b.yaml": "b\n"})
    here = clone(origin, tmp_path)
    here.fetch()
    wish = repo.Proposal(
        branch="plimsoll/revert-a",
        parent=parent,
        path="models.d/a.yaml",
        content=b"version: 1\n",
        message="Revert a\n\nbecause it failed\n",
        at=1_700_000_000.0,
    )
    first = here.push(wish)
    assert here.push(wish) == first
    assert origin.branch("plimsoll/revert-a", "models.d/a.yaml") == "version: 1"
    assert origin.branch("plimsoll/revert-a", "models.d/b.yaml") == "b"
    assert origin.message("plimsoll/revert-a") == "Revert a\n\nbecause it failed"
    assert origin.branch("main", "models.d/a.yaml") == "version: 2"
    assert here.fetch() == parent


def test_a_repository_that_does_not_take_pushes_is_git_unavailable(
    origin: Origin, tmp_path: Path
) -> None:
    parent = origin.commit({"models.d/a.yaml": "1\n"})
    here = clone(origin, tmp_path)
    here.fetch()
    hook = Path(origin.url) / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho branch is protected >&2\nexit 1\n")
    os.chmod(hook, 0o755)  # noqa: S103, PTH101  a hook must be executable
    wish = repo.Proposal("x", parent, "models.d/a.yaml", b"2\n", "m", 0.0)
    with pytest.raises(errors.GitUnavailable, match="cannot push branch x"):
        here.push(wish)
