"""Which fetched commits come into force, in each mode; what an attacker with the branch gets."""

import subprocess
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler import client, gate, journal, repo, signatures, state, witness
from reconciler.core import gitobject, gittrust
from reconciler.core.gittrust import Mode, Rules
from registry import errors
from tests.core.publication import Publication
from tests.reconciler import signers
from tests.reconciler.origin import Origin, run
from tests.reconciler.signers import Ssh


@dataclass
class Bench:
    """A repository, keys, and a state folder whose outbox shows what the log would be told."""

    origin: Origin
    folder: Path
    state: state.StateFolder
    ada: Ssh
    eve: Ssh
    people: tuple[gittrust.Person, ...] = ()
    require_author: bool = False

    def fresh(self, mode: Mode) -> gate.Gate:
        """A (new) gate on the same state."""
        allowed = self.folder / "allowed_signers"
        allowed.write_text(self.ada.line('namespaces="git"'))
        (self.folder / "token").write_text("t")
        registry = client.Registry("http://127.0.0.1:1", self.folder / "token")
        seen = witness.Witness(registry, self.state, lambda: Publication({"x": b"x"}).trust)
        examiner = gate.Examiner(
            self.repository,
            signatures.Signatures(allowed, None, None),
            Rules(mode, self.people, self.require_author),
        )
        written = journal.Journal(registry, self.state, seen)
        return gate.Gate(examiner, self.state, written, clock=lambda: 1_800_000_000.0)

    @property
    def repository(self) -> repo.Repository:
        return repo.Repository(
            self.origin.url, branch="main", folder=self.folder / "clone", author=("Bot", "b@e.com")
        )

    def admit(self, mode: Mode) -> gate.Standing:
        """Fetch and ask."""
        return self.fresh(mode).admit(self.repository.fetch())

    def signed(self, message: str = "Signed", **files: str | None) -> str:
        return signers.commit(self.origin, self.ada, message, **files)

    def unsigned(self, message: str = "Unsigned") -> str:
        return signers.commit(self.origin, None, message)

    def told(self) -> list[tuple[str, str]]:
        """What went to the log: kind and commit, in order."""
        return [(str(event["kind"]), str(event["commit"])) for _, event in self.state.pending()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    keys = tmp_path / "keys"
    with closing(state.StateFolder(tmp_path / "state")) as folder:
        yield Bench(
            Origin(tmp_path / "remote"), tmp_path, folder,
            signers.ssh(keys, "ada"), signers.ssh(keys, "eve"),
        )  # fmt: skip


def code(standing: gate.Standing) -> str:
    assert standing.refused is not None
    return standing.refused.code


def test_a_signed_commit_comes_into_force_and_the_log_knows_no_name(bench: Bench) -> None:
    commit = bench.signed()
    standing = bench.admit(Mode.STRICT)
    assert standing.commit == commit
    assert standing.provenance == gittrust.Provenance("ada@example.com", "", verified=True)
    ((_, event),) = bench.state.pending()
    assert event["kind"] == "commit_verified"
    assert "ada@" not in str(event)
    assert "p-" in str(event)


def test_nothing_is_in_force_while_the_first_commit_is_unsigned(bench: Bench) -> None:
    bench.unsigned()
    with pytest.raises(errors.CommitRefused, match="is not signed"):
        bench.admit(Mode.HEAD)


@pytest.mark.parametrize("mode", [Mode.HEAD, Mode.STRICT])
def test_an_unsigned_commit_changes_nothing_and_says_how_to_go_on(bench: Bench, mode: Mode) -> None:
    good = bench.signed()
    bench.admit(mode)
    bad = bench.unsigned()
    standing = bench.admit(mode)
    assert standing.commit == good
    assert standing.refused is not None
    assert standing.refused.commit == bad
    assert f"plimsoll git accept {bad}" in standing.refused.fix
    bench.admit(mode)
    assert bench.told() == [("commit_verified", good), ("commit_refused", bad)]


def test_a_stranger_signs_in_vain(bench: Bench) -> None:
    bench.signed()
    bench.admit(Mode.HEAD)
    signers.commit(bench.origin, bench.eve, "By Eve")
    assert code(bench.admit(Mode.HEAD)) == "signature"


def test_a_key_added_in_the_same_commit_does_not_count(bench: Bench) -> None:
    bench.signed()
    bench.admit(Mode.HEAD)
    (bench.origin.work / "allowed_signers").write_text(bench.eve.line())
    bench.origin.git("config", "gpg.ssh.allowedSignersFile", "allowed_signers")
    signers.commit(bench.origin, bench.eve, "Eve may sign from now on")
    assert code(bench.admit(Mode.HEAD)) == "signature"


def test_an_unsigned_commit_below_a_signed_one_is_fine_for_head_and_refused_in_strict(
    bench: Bench,
) -> None:
    good = bench.signed()
    bench.admit(Mode.STRICT)
    hidden = bench.unsigned()
    top = bench.signed("On top")
    standing = bench.admit(Mode.STRICT)
    assert standing.commit == good
    assert standing.refused is not None
    assert hidden[:12] in standing.refused.reason
    assert standing.refused.commit == top
    assert bench.admit(Mode.HEAD).commit == top


def test_a_signed_merge_of_unsigned_commits_is_refused_in_strict(bench: Bench) -> None:
    good = bench.signed()
    bench.admit(Mode.STRICT)
    origin = bench.origin
    origin.git("checkout", "--quiet", "-b", "side")
    bench.unsigned("On the side")
    origin.git("push", "--quiet", "--force", "origin", f"{good}:main")
    origin.git("checkout", "--quiet", "main")
    origin.git("reset", "--quiet", "--hard", good)
    signers.sign(origin, bench.ada, "merge", "--quiet", "--no-ff", "-m", "Merge", "side")
    origin.git("push", "--quiet", "origin", "main")
    standing = bench.admit(Mode.STRICT)
    assert (standing.commit, code(standing)) == (good, "signature")
    assert bench.admit(Mode.HEAD).commit == origin.git("rev-parse", "HEAD")


def test_a_signed_merge_of_signed_commits_comes_into_force(bench: Bench) -> None:
    bench.signed()
    bench.admit(Mode.STRICT)
    origin = bench.origin
    origin.git("checkout", "--quiet", "-b", "side")
    signers.sign(origin, bench.ada, "commit", "--quiet", "--allow-empty", "-m", "On the side")
    origin.git("checkout", "--quiet", "main")
    signers.sign(origin, bench.ada, "merge", "--quiet", "--no-ff", "-m", "Merge", "side")
    origin.git("push", "--quiet", "origin", "main")
    assert bench.admit(Mode.STRICT).commit == origin.git("rev-parse", "HEAD")


@pytest.mark.parametrize("mode", list(Mode))
def test_a_branch_that_was_rolled_back_is_refused_though_it_is_signed(
    bench: Bench, mode: Mode
) -> None:
    first = bench.signed("First")
    second = bench.signed("Second")
    bench.admit(mode)
    bench.origin.git("push", "--quiet", "--force", "origin", f"{first}:main")
    standing = bench.admit(mode)
    assert (standing.commit, code(standing)) == (second, "history_rewritten")


@pytest.mark.parametrize("mode", list(Mode))
def test_rewritten_history_is_refused_and_the_old_commit_stays_readable(
    bench: Bench, mode: Mode
) -> None:
    bench.signed("First")
    second = bench.signed("Second", a="a: 2\n")
    bench.admit(mode)
    bench.origin.git("reset", "--quiet", "--hard", "HEAD~1")
    bench.signed("Another second", a="a: 3\n")
    standing = bench.admit(mode)
    assert (standing.commit, code(standing)) == (second, "history_rewritten")
    run("git", "--git-dir", str(bench.folder / "clone"), "gc", "--quiet", "--prune=now")
    assert bench.repository.read_at(second, "models.d/a.yaml", limit=99) == b"a: 2\n"


def test_an_operator_can_accept_what_was_refused_once_and_the_log_says_why(bench: Bench) -> None:
    first = bench.signed("First")
    second = bench.signed("Second")
    bench.admit(Mode.STRICT)
    bench.origin.git("push", "--quiet", "--force", "origin", f"{first}:main")
    bench.admit(Mode.STRICT)
    state.leave_wish(bench.folder / "state", first, "The second was a mistake")
    standing = bench.admit(Mode.STRICT)
    assert (standing.commit, standing.refused) == (first, None)
    accepted = [event for _, event in bench.state.pending() if event["kind"] == "commit_accepted"]
    assert [event["reason"] for event in accepted] == ["The second was a mistake"]
    assert accepted[0]["detail"] == {
        "inPlaceOf": second, "verified": True, "refusal": ""
    }  # fmt: skip
    assert bench.state.wish(first) is None
    bench.unsigned()
    assert code(bench.admit(Mode.STRICT)) == "signature"


def test_a_wish_that_was_granted_counts_no_second_time_though_who_granted_it_died(
    bench: Bench,
) -> None:
    first = bench.signed("First")
    assert bench.admit(Mode.STRICT).commit == first
    state.leave_wish(bench.folder / "state", first, "Not dropped yet when the kill came")
    assert bench.admit(Mode.STRICT).commit == first
    assert bench.state.wish(first) is None
    second = bench.signed("Second")
    bench.admit(Mode.STRICT)
    bench.origin.git("push", "--quiet", "--force", "origin", f"{first}:main")
    standing = bench.admit(Mode.STRICT)
    assert (standing.commit, code(standing)) == (second, "history_rewritten")


def test_an_accepted_commit_that_nobody_signed_is_not_called_verified(bench: Bench) -> None:
    bench.signed()
    bench.admit(Mode.HEAD)
    bad = bench.unsigned()
    state.leave_wish(bench.folder / "state", bad, "The key is lost")
    standing = bench.admit(Mode.HEAD)
    assert (standing.commit, standing.provenance.verified) == (bad, False)
    assert bench.admit(Mode.HEAD).commit == bad


def test_a_wish_for_less_than_a_whole_commit_or_without_a_reason_is_no_wish(bench: Bench) -> None:
    folder = bench.folder / "state"
    for commit, reason in (("abc123", "why"), ("../../tokens/edge-1", "why"), ("a" * 40, " ")):
        with pytest.raises(errors.InvalidInput):
            state.leave_wish(folder, commit, reason)
    with pytest.raises(errors.NotFound):
        state.leave_wish(bench.folder / "elsewhere", "a" * 40, "why")


def test_what_is_in_force_survives_a_restart_and_a_lost_clone(bench: Bench) -> None:
    good = bench.signed()
    bench.admit(Mode.STRICT)
    bench.unsigned()
    run("rm", "-rf", str(bench.folder / "clone"))
    standing = bench.admit(Mode.STRICT)
    assert (standing.commit, code(standing)) == (good, "signature")
    assert gate.peek(bench.folder / "state", f"{bench.origin.url} main") == standing


def test_another_repository_is_another_history(bench: Bench) -> None:
    bench.signed()
    bench.admit(Mode.HEAD)
    bench.origin = Origin(bench.folder / "moved")
    bench.folder = bench.folder / "new"
    bench.folder.mkdir()
    fresh = bench.signed()
    assert bench.admit(Mode.HEAD).commit == fresh


def test_the_author_who_is_not_the_signer_is_noticed_and_can_be_refused(bench: Bench) -> None:
    ada = gittrust.Person(
        "ada", frozenset({bench.ada.fingerprint}), frozenset(), frozenset({"ada@example.com"})
    )
    bob = gittrust.Person("bob", frozenset(), frozenset(), frozenset({"bob@example.com"}))
    bench.people = (ada, bob)
    own = bench.signed()
    assert bench.admit(Mode.HEAD).provenance == gittrust.Provenance("ada", "ada", verified=True)
    signers.sign(
        bench.origin, bench.ada, "commit", "--quiet", "--allow-empty",
        "--author=Bob <bob@example.com>", "-m", "Bob's work",
    )  # fmt: skip
    bench.origin.git("push", "--quiet", "origin", "main")
    bench.require_author = True
    standing = bench.admit(Mode.HEAD)
    assert (standing.commit, code(standing)) == (own, "author_is_not_signer")
    bench.require_author = False
    assert bench.admit(Mode.HEAD).provenance == gittrust.Provenance("ada", "bob", verified=True)


def test_a_good_key_that_belongs_to_nobody_is_refused(bench: Bench) -> None:
    bench.people = (gittrust.Person("bob", frozenset({"SHA256:x"}), frozenset(), frozenset()),)
    bench.signed()
    with pytest.raises(errors.CommitRefused, match="belongs to nobody in git_people"):
        bench.admit(Mode.HEAD)


def test_a_tag_with_the_branchs_name_is_not_the_branch(bench: Bench) -> None:
    good = bench.signed("First")
    bench.admit(Mode.STRICT)
    evil = signers.commit(bench.origin, bench.eve, "Evil")
    bench.origin.git("push", "--quiet", "--force", "origin", f"{good}:refs/heads/main")
    bench.origin.git("push", "--quiet", "--force", "origin", f"{evil}:refs/tags/main")
    standing = bench.admit(Mode.STRICT)
    assert (standing.commit, standing.refused) == (good, None)


def test_replacements_and_grafts_in_the_clone_change_nothing(bench: Bench) -> None:
    good = bench.signed("First", a="a: 1\n")
    bench.admit(Mode.STRICT)
    other = bench.signed("Second", a="a: 2\n")
    bench.repository.fetch()
    clone = bench.folder / "clone"
    run("git", "--git-dir", str(clone), "replace", good, other)
    assert bench.repository.read_at(good, "models.d/a.yaml", limit=99) == b"a: 1\n"
    run("git", "--git-dir", str(clone), "replace", "-d", good)
    unsigned = bench.unsigned()
    bench.repository.fetch()
    (clone / "info").mkdir(exist_ok=True)
    (clone / "info" / "grafts").write_text(f"{unsigned} {good}\n")
    assert [one.id for one in bench.repository.news(unsigned, good)] == [unsigned, other]


def loose(bench: Bench, identity: str) -> Path:
    return bench.folder / "clone" / "objects" / identity[:2] / identity[2:]


def swap(bench: Bench, identity: str, content: bytes) -> None:
    """Another object under an id that is not its own, as only whoever owns the disk can put it."""
    clone = str(bench.folder / "clone")
    for pack in (bench.folder / "clone" / "objects" / "pack").glob("*.pack"):
        moved = pack.with_name("unpacked")
        pack.rename(moved)
        with moved.open("rb") as stream:
            subprocess.run(
                ["git", "--git-dir", clone, "unpack-objects", "-q"], stdin=stream, check=True
            )
        for rest in pack.parent.glob(f"{pack.stem}.*"):
            rest.unlink()
    target = loose(bench, identity)
    target.chmod(0o644)
    target.write_bytes(zlib.compress(content))


@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
def test_an_object_that_was_swapped_in_the_clone_is_noticed(bench: Bench, kind: str) -> None:
    commit = bench.signed(a="image: good\n")
    bench.repository.fetch()
    clone = str(bench.folder / "clone")
    names = {"commit": commit, "tree": f"{commit}:models.d", "blob": f"{commit}:models.d/a.yaml"}
    identity = run("git", "--git-dir", clone, "rev-parse", names[kind])
    raw = subprocess.run(
        ["git", "--git-dir", clone, "cat-file", kind, identity], check=True, capture_output=True
    ).stdout
    changed = (
        raw.replace(b"good", b"evil").replace(b"Signed", b"signed").replace(b"a.yaml", b"b.yaml")
    )
    assert changed != raw
    swap(bench, identity, f"{kind} {len(changed)}\0".encode() + changed)
    with pytest.raises((errors.CommitRefused, errors.GitUnavailable)):
        everything(bench.repository, commit)


def everything(here: repo.Repository, commit: str) -> list[bytes]:
    return [here.read(blob, limit=99) for blob in here.list(commit, ["models.d"])]


def test_no_flipped_byte_of_a_signed_commit_comes_into_force(bench: Bench) -> None:
    """Each byte of the object, one at a time, under its own new id, as a forge could serve it."""
    good = bench.signed()
    bench.admit(Mode.STRICT)
    raw = subprocess.run(
        ["git", "cat-file", "commit", good], cwd=bench.origin.work, check=True, capture_output=True
    ).stdout
    known = bench.fresh(Mode.STRICT)._examiner.signatures
    for place in range(0, len(raw), 7):
        mutant = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        identity = gitobject.identity("commit", mutant, like=good)
        try:
            commit = gitobject.commit(identity, mutant)
        except errors.CommitRefused:
            continue
        verdict = known.verdict(commit)
        assert isinstance(verdict, gittrust.Bad), (place, mutant)
