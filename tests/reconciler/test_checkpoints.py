"""Checkpoints in a real Git repository: they grow, survive lost state, and show a fork."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler import repo
from reconciler.checkpoints import Checkpoints, path_of
from reconciler.state import StateFolder
from reconciler.witness import Witness
from registry import errors
from registry.core import note
from tests.core.logs import Log, log_of
from tests.core.publication import Publication
from tests.reconciler.origin import Origin, run

BRANCH = "plimsoll/checkpoints"
LOG = log_of(30)
FORK = Log([*LOG.leaves[:5], *(b"another %d" % n for n in range(25))], LOG.key)


@dataclass
class ShownLog:
    """The registry's client, with a log behind it that the test may exchange."""

    log: Log
    size: int

    def checkpoint(self) -> str:
        return self.log.checkpoint(self.size).text

    def consistency(self, old: int, new: int) -> list[bytes]:
        if new > self.size:
            raise errors.NotFound(f"no proof up to {new}")
        return self.log.consistency(old, new)


@dataclass
class Site:
    """One reconciler: its memory, its clone, and the log that it is shown."""

    shown: ShownLog
    witness: Witness
    archive: Checkpoints
    close: Callable[[], None]


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    made = Origin(tmp_path / "remote")
    made.commit({"models.d/readme": "desired state"})
    return made


def site(folder: Path, origin: Origin, log: Log, size: int) -> Site:
    trust = Publication({"x": b"x"}, log=LOG.key).trust
    clone = repo.Repository(
        origin.url,
        branch="main",
        folder=folder / "repository.git",
        author=("Plimsoll reconciler", "reconciler@plimsoll.invalid"),
    )
    archive = Checkpoints(
        clone, branch=BRANCH, key=lambda: trust.log, clock=lambda: 1_800_000_000.0
    )
    kept, shown = StateFolder(folder / "state"), ShownLog(log, size)
    witness = Witness(shown, kept, lambda: trust, archive)  # type: ignore[arg-type]
    return Site(shown, witness, archive, kept.close)


def in_git(origin: Origin) -> note.Checkpoint:
    text = origin.branch(BRANCH, path_of(LOG.name.origin)) + "\n"
    return note.verify_checkpoint(text, LOG.name)


def commits(origin: Origin) -> list[str]:
    return run("git", "--git-dir", origin.url, "log", "--format=%H", BRANCH).splitlines()


def test_the_checkpoint_grows_by_commits_on_a_branch_of_its_own(
    tmp_path: Path, origin: Origin
) -> None:
    here = site(tmp_path / "a", origin, LOG, 4)
    for size in (4, 4, 9, 20):
        here.shown.size = size
        here.witness.refresh()
        here.witness.exchange()
        assert in_git(origin).size == size
    found = commits(origin)
    assert len(found) == 3, "what has not grown is no commit"
    main = run("git", "--git-dir", origin.url, "rev-parse", "main")
    assert main not in found
    assert "has 20 entries" in origin.message(BRANCH)
    listed = run("git", "--git-dir", origin.url, "ls-tree", "-r", "--name-only", BRANCH)
    assert listed == "checkpoints/plimsoll.test/log"
    who = run("git", "--git-dir", origin.url, "log", "-1", "--format=%an <%ae>", BRANCH)
    assert who == "Plimsoll reconciler <reconciler@plimsoll.invalid>"
    here.close()


def test_a_reconciler_that_lost_its_state_refuses_an_older_log(
    tmp_path: Path, origin: Origin
) -> None:
    before = site(tmp_path / "a", origin, LOG, 20)
    before.witness.refresh()
    before.witness.exchange()
    before.close()
    after = site(tmp_path / "new", origin, LOG, 12)
    with pytest.raises(errors.LogForked):
        after.witness.refresh()
    after.shown.size = 25
    assert after.witness.refresh().size == 25
    after.close()


def test_without_git_a_reconciler_that_lost_its_state_waits(tmp_path: Path, origin: Origin) -> None:
    here = site(tmp_path / "a", origin, LOG, 20)
    Path(origin.url).rename(tmp_path / "away.git")
    with pytest.raises(errors.GitUnavailable):
        here.witness.refresh()
    (tmp_path / "away.git").rename(origin.url)
    assert here.witness.refresh().size == 20
    here.close()


def test_two_reconcilers_share_one_branch_and_neither_forces(
    tmp_path: Path, origin: Origin
) -> None:
    sites = [site(tmp_path / name, origin, LOG, size) for name, size in (("a", 7), ("b", 9))]
    for one in sites:
        one.shown.size = 30  # what it has seen is less, and the proof is there
        one.witness.observe(LOG.checkpoint(7 if one is sites[0] else 9))
    exchanged(sites)
    assert in_git(origin).size == 9
    for turn in range(10, 30, 2):
        for number, one in enumerate(sites):
            one.witness.observe(LOG.checkpoint(turn + number))
        exchanged(sites)
        assert in_git(origin).size == turn + 1
    history = run("git", "--git-dir", origin.url, "log", "--format=%P", BRANCH).splitlines()
    assert all(len(parents.split()) == 1 for parents in history[:-1]), "one line of growth"
    for one in sites:
        one.close()


def exchanged(sites: list[Site]) -> None:
    """All at once; then one after the other, as whoever lost too often would at its next turn."""
    with ThreadPoolExecutor(len(sites)) as pool:
        list(pool.map(lambda one: one.witness.exchange(), sites))
    for one in sites:
        one.witness.exchange()


def test_a_lost_race_is_a_conflict_and_loses_nothing(tmp_path: Path, origin: Origin) -> None:
    here = site(tmp_path / "a", origin, LOG, 4)
    clone = here.archive._repository
    first = here.archive._proposal(LOG.checkpoint(4), None)
    clone.extend(first)
    with pytest.raises(errors.Conflict):
        clone.extend(here.archive._proposal(LOG.checkpoint(5), None))
    assert in_git(origin).size == 4
    here.close()


def test_two_hosts_that_were_shown_two_logs_find_out_through_git(
    tmp_path: Path, origin: Origin
) -> None:
    ours, theirs = site(tmp_path / "a", origin, LOG, 10), site(tmp_path / "b", origin, FORK, 12)
    for one in (ours, theirs):
        one.witness._look(one.shown.log.checkpoint(one.shown.size))
    ours.witness.exchange()
    with pytest.raises(errors.LogForked):
        theirs.witness.exchange()
    with pytest.raises(errors.LogForked):
        theirs.witness.refresh()
    assert in_git(origin).root == LOG.root(10), "what Git had is still there"
    ours.close()
    theirs.close()


def test_what_is_no_checkpoint_is_not_pushed_over(tmp_path: Path, origin: Origin) -> None:
    origin.git("checkout", "--quiet", "-b", BRANCH)
    path = origin.work / path_of(LOG.name.origin)
    path.parent.mkdir(parents=True)
    path.write_text("plimsoll.test/log\n999\nAAAA\n")
    origin.git("add", "--all")
    origin.git("commit", "--quiet", "-m", "junk")
    origin.git("push", "--quiet", "origin", BRANCH)
    here = site(tmp_path / "a", origin, LOG, 4)
    with pytest.raises(errors.SignatureInvalid, match="no checkpoint of this log"):
        here.witness.refresh()
    with pytest.raises(errors.SignatureInvalid):
        here.witness.exchange()
    assert len(commits(origin)) == 2
    here.close()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("plimsoll.local/log", "checkpoints/plimsoll.local/log"),
        ("../../etc/passwd", "checkpoints/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd"),
        ("a//b", "checkpoints/a%2F%2Fb"),
        ("x/.git/config", "checkpoints/x%2F%2Egit%2Fconfig"),
        ("log with spaces", "checkpoints/log%20with%20spaces"),
    ],
)
def test_a_logs_name_never_leads_out_of_the_folder(name: str, path: str) -> None:
    assert path_of(name) == path


def test_git_itself_finds_nothing_to_complain_of(tmp_path: Path, origin: Origin) -> None:
    here = site(tmp_path / "a", origin, LOG, 4)
    here.witness.refresh()
    here.witness.exchange()
    here.close()
    command = ["git", "--git-dir", origin.url, "fsck", "--strict"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "error" not in done.stderr
