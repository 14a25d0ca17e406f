"""A request says which of its files would stay as they are, since their signers may not."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler import gate, repo, signatures
from reconciler.core import desired, review
from reconciler.core.gittrust import Mode, Rules
from reconciler.core.review import Bound, Known, changing, documents, markdown, table
from reconciler.reviewing import assembly
from reconciler.reviewing.heads import Heads, Sides
from tests.reconciler import signers
from tests.reconciler.core.projects.projects import limits, project_file, two_teams
from tests.reconciler.forges import servers
from tests.reconciler.origin import Origin
from tests.reconciler.reviewing.desk import desk
from tests.reconciler.signers import Ssh
from tests.reconciler.test_authors import AUTHORS, A, B
from tests.reconciler.town import town
from tests.registry.publishing import Publisher


@dataclass
class Request:
    """A repository of two teams, in which anybody opens requests."""

    origin: Origin
    folder: Path
    keys: dict[str, Ssh]

    def branch(self, name: str, start: str = "origin/main") -> None:
        self.origin.git("checkout", "--quiet", "-B", name, start)

    def commit(self, who: str | None, *paths: str) -> str:
        """A change of each of these files, pushed to the branch it is on."""
        for path in paths:
            with (self.origin.work / path).open("ab") as file:
                file.write(b"# changed\n")
        self.origin.git("add", "--all")
        key = () if who is None else self.keys[who].signing
        sign = () if who is None else ("-S",)
        self.origin.git(*key, "commit", "--quiet", *sign, "-m", f"By {who}")
        self.origin.git("push", "--quiet", "--force", "origin", "HEAD")
        return self.origin.git("rev-parse", "HEAD")

    def heads(self) -> Heads:
        found = Heads(
            self.origin.url, branch="main", folder=self.folder / "clone", author=("Bot", "b@e.com")
        )
        found.fetch()
        return found

    def examiner(self, heads: repo.Repository, mode: Mode = Mode.STRICT) -> gate.Examiner:
        allowed = self.folder / "allowed_signers"
        allowed.write_text("".join(key.line() for key in self.keys.values()))
        return gate.Examiner(heads, signatures.Signatures(allowed, None, None), Rules(mode))

    def held(self, name: str, *, mode: Mode = Mode.STRICT) -> dict[str, str]:
        """What is said of the files that the branch `name` changes."""
        heads = self.heads()
        head, base = heads.bring(f"refs/heads/{name}"), heads.fetch()
        merged = heads.merged(base, head)
        assert isinstance(merged, str)
        sides = Sides(heads)
        sides_of = sides.at(heads.commit(base).tree, base), sides.at(merged, head)
        files = [one.path for one in changing.files(*(side.files for side in sides_of))]
        examiner = self.examiner(heads, mode)
        return dict(assembly.held(heads, self.folder, examiner, (head, base), files))


@pytest.fixture
def request_(tmp_path: Path) -> Iterator[Request]:
    keys = {name: signers.ssh(tmp_path / "keys", name) for name in ("root", "ada", "bob")}
    made = Request(Origin(tmp_path / "remote"), tmp_path, keys)
    files = two_teams() | {
        f"models.d/projects/{name}.yaml": project_file(name, limits(name) + more)
        for name, more in AUTHORS.items()
    }
    for path, data in files.items():
        (made.origin.work / path).parent.mkdir(parents=True, exist_ok=True)
        (made.origin.work / path).write_bytes(data)
    signers.commit(made.origin, keys["root"], "Begin")
    return made


def test_a_change_to_another_teams_file_is_told_with_who_may_make_it(request_: Request) -> None:
    request_.branch("change")
    head = request_.commit("ada", A, B)
    assert request_.held("change") == {
        B: f"commit {head[:12]}, signed by ada@example.com, changes a file that only "
        "bob@example.com may change"
    }


def test_who_may_makes_the_change_and_nothing_is_held(request_: Request) -> None:
    request_.branch("change")
    request_.commit("ada", A)
    request_.commit("bob", B)
    assert request_.held("change") == {}


def test_what_nobody_signed_is_held_whatever_the_mode(request_: Request) -> None:
    request_.branch("change")
    request_.commit(None, A)
    assert "signed by nobody who is known" in request_.held("change")[A]
    assert set(request_.held("change", mode=Mode.NONE)) == {A}


def test_a_branch_from_before_the_newest_commit_is_told_of_its_own_changes_alone(
    request_: Request,
) -> None:
    start = request_.origin.git("rev-parse", "origin/main")
    request_.branch("main")
    request_.commit("bob", B)
    request_.branch("change", start)
    request_.commit("ada", A)
    assert request_.held("change") == {}
    request_.commit("ada", "models.d/projects/a.yaml")
    assert set(request_.held("change")) == {"models.d/projects/a.yaml"}


def test_a_branch_that_is_merged_already_holds_nothing(request_: Request) -> None:
    request_.branch("change")
    request_.commit("bob", B)
    request_.origin.git("push", "--quiet", "origin", "HEAD:main")
    assert request_.held("change") == {}


def test_a_request_of_too_many_commits_is_not_followed_one_by_one(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "_MOST_COMMITS", 2)
    request_.branch("change")
    for _ in range(3):
        request_.commit("bob", B)
    assert request_.held("change") == {B: "more than 2 commits are judged once merged"}


def test_the_comment_of_a_real_request_names_the_file_and_who_may(tmp_path: Path) -> None:
    with town(tmp_path / "town", Publisher()) as here, desk(here, tmp_path) as at:
        files = two_teams() | {
            f"models.d/projects/{name}.yaml": project_file(name, limits(name) + more)
            for name, more in AUTHORS.items()
        }
        here.origin.commit({path: data.decode() for path, data in files.items()}, "Two teams")
        pull = at.propose({B: files[B].decode().replace("version: 1", "version: 2")})
        at.rounds().round()
        (note,) = [note for note in pull.notes if note.author == servers.ME]
    assert f"stays as it is when this is merged: `{B}`: `commit {pull.sha[:12]}" in note.body
    assert "changes a file that only bob@example.com may change" in note.body


def test_the_comment_the_table_and_the_document_say_what_is_held() -> None:
    why = "commit abc, signed by ada, changes a file that only bob may change"
    files = dict(two_teams())
    after = files | {B: files[B].replace(b"version: 1", b"version: 2")}
    before, then = (review.Side(desired.load(one, commit="c"), one) for one in (files, after))
    made = review.make(before, then, Known(held={B: why}), bound=Bound("h" * 40, "b" * 40))
    (row,) = made.rows
    assert row.trouble == (why,)
    text = markdown.render(made)
    assert f"- ✖ stays as it is when this is merged: `{B}`: `{why}`" in text
    assert "✖ **held**" in text
    assert "one of those who may commits the change and signs it" in text
    assert f"stays as it is: {B}: {why}" in table.render(made)
    assert documents.document(made)["heldBack"] == [{"path": B, "why": why}]
