"""Who may change which file: each way in which an author of one project could change another's."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core import authorship, desired
from reconciler.core.authorship import History, Kept, Owners, Step
from tests.reconciler.core.projects.projects import limits, project_file, two_teams

A, B = "models.d/production/a-one.yaml", "models.d/production/b-one.yaml"
OWNERS = Owners(
    frozenset({"root"}),
    (
        (("models.d/*/a-*", "models.d/hosts/**"), frozenset({"ada"})),
        (("models.d/*/b-*",), frozenset({"bob"})),
        (("models.d/*/ab-*", "models.d/*/a*"), frozenset({"ada", "bob"})),
        (("models.d/free/**",), None),
    ),
)
FIRST = {A: "a1", B: "b1", "models.d/hosts/ha.yaml": "h1", "models.d/projects/b.yaml": "p1"}


@dataclass
class Repository:
    """A history that is judged whenever somebody looks, each time from where it was before."""

    files: dict[str, Mapping[str, str]] = field(default_factory=lambda: {"c0": FIRST})
    steps: list[Step] = field(default_factory=list)
    last: str = "c0"
    kept: dict[str, Kept] = field(default_factory=dict)

    def commit(self, signer: str, *parents: str, **changes: str) -> str:
        """`changes` by words for paths; the first parent's files otherwise."""
        name = f"c{len(self.files)}"
        base = parents or (list(self.files)[-1],)
        paths = {"a": A, "b": B}
        files = {**self.files[base[0]], **{paths.get(w, w): blob for w, blob in changes.items()}}
        self.files[name] = {path: blob for path, blob in files.items() if blob}
        self.steps.append(Step(name, base, signer, self.files[name]))
        return name

    def look(self, head: str = "") -> dict[str, str]:
        """What is in force now."""
        head = head or self.steps[-1].id
        known = self._ancestors(self.last)
        news = [one for one in self.steps if one.id in self._ancestors(head) - known]
        if news:
            history = History(self.last, self.files[self.last], self.kept, news, self.files)
            self.kept = authorship.judge(
                history, lambda _: OWNERS, lambda _path, blob: blob != "bad"
            )
            self.last = head
        found = {**self.files[head], **{path: one.blob for path, one in self.kept.items()}}
        return {path: blob for path, blob in found.items() if blob}

    def goes_on(self, commit: str) -> bool:
        """Whether it comes after what is in force."""
        return self.last in self._ancestors(commit)

    def _ancestors(self, commit: str) -> set[str]:
        found, left = set[str](), [commit]
        parents = {step.id: step.parents for step in self.steps}
        while left:
            one = left.pop()
            found.add(one)
            left += [parent for parent in parents.get(one, ()) if parent not in found]
        return found


@pytest.mark.parametrize("signer", ["ada", "", "eve", "root"])
def test_nobody_else_changes_a_file_of_a_project_and_the_rest_goes_on(signer: str) -> None:
    repository = Repository()
    repository.commit(signer, a="a2", b="b2")
    found = repository.look()
    assert found[B] == "b1"
    assert found[A] == ("a2" if signer == "ada" else "a1")
    assert repository.kept[B].why == (
        f"commit c1, signed by {signer or 'nobody who is known'}, changes a file that only bob may "
        "change"
    )


def test_nobody_else_removes_a_file_of_a_project() -> None:
    repository = Repository()
    repository.commit("ada", b="")
    assert repository.look()[B] == "b1"


def test_nobody_else_adds_a_file_to_a_project() -> None:
    repository = Repository()
    repository.commit("ada", **{"models.d/production/b-two.yaml": "x"})
    assert "models.d/production/b-two.yaml" not in repository.look()


@pytest.mark.parametrize(
    "path",
    ["models.d/projects/b.yaml", "models.d/projects/a-more.yaml", "models.d/hosts/ha.yaml",
     "policies/deploy/a-x.yaml", "models.d/templates/golden.yaml"],
)  # fmt: skip
def test_what_is_about_everybody_is_for_the_default_projects_authors(path: str) -> None:
    """Hosts too: a host with another team's label would draw that team's models onto it."""
    repository = Repository()
    repository.commit("ada", **{path: "x"})
    assert repository.look().get(path) == FIRST.get(path)
    repository.commit("root", **{path: "y"})
    assert repository.look()[path] == "y"


def test_a_file_that_two_projects_claim_takes_an_author_of_both() -> None:
    assert OWNERS.of("models.d/production/ab-one.yaml") == {"ada", "bob"}
    assert OWNERS.of(A) == {"ada"}
    assert OWNERS.of("models.d/free/x.yaml") == {"root"}


def test_a_refused_change_stays_refused_until_an_author_commits_the_file() -> None:
    repository = Repository()
    repository.commit("ada", b="b2")
    assert repository.look()[B] == "b1"
    repository.commit("ada", a="a2")
    assert repository.look() == FIRST | {A: "a2"}
    repository.commit("bob", b="b3")
    assert repository.look()[B] == "b3"
    assert repository.kept == {}


def test_a_change_that_is_taken_back_leaves_nothing_to_keep() -> None:
    repository = Repository()
    repository.commit("ada", b="b2")
    repository.look()
    repository.commit("ada", b="b1")
    assert repository.look() == FIRST
    assert repository.kept == {}


def test_nobody_else_takes_a_project_back_to_what_its_author_wrote_before() -> None:
    for is_seen in (True, False):
        repository = Repository()
        repository.commit("bob", b="b2")
        if is_seen:
            repository.look()
        repository.commit("ada", b="b1")
        assert repository.look()[B] == "b2"


def test_an_old_branch_that_is_merged_takes_nothing_back() -> None:
    repository = Repository()
    side = repository.commit("ada", "c0", a="a2")
    main = repository.commit("bob", "c0", b="b2")
    repository.look(main)
    repository.commit("ada", side, main, a="a2")  # with the files of the side branch: b1
    assert repository.look() == FIRST | {A: "a2", B: "b2"}


def test_a_merge_by_anybody_brings_what_an_author_signed() -> None:
    repository = Repository()
    main = repository.commit("ada", "c0", a="a2")
    side = repository.commit("bob", "c0", b="b2")
    repository.commit("eve", main, side, b="b2")
    assert repository.look() == FIRST | {A: "a2", B: "b2"}


def test_a_merge_adds_nothing_of_its_own_to_what_it_merges() -> None:
    repository = Repository()
    main = repository.commit("ada", "c0", a="a2")
    side = repository.commit("bob", "c0", b="b2")
    repository.commit("ada", main, side, b="evil")
    assert repository.look()[B] == "b1"


def test_a_stranger_on_a_side_branch_is_a_stranger() -> None:
    repository = Repository()
    side = repository.commit("eve", "c0", b="evil")
    for signer, first, second in (("ada", "c0", side), ("", side, "c0")):
        repository.commit(signer, first, second, b="evil")
        assert repository.look()[B] == "b1"


def test_an_author_who_merges_a_strangers_branch_answers_for_it() -> None:
    repository = Repository()
    main = repository.commit("ada", "c0", a="a2")
    side = repository.commit("eve", "c0", b="b2")
    repository.commit("bob", main, side, b="b2")
    assert repository.look()[B] == "b2"


def test_a_project_file_that_cannot_be_read_never_comes_into_force() -> None:
    repository = Repository()
    repository.commit("root", **{"models.d/projects/b.yaml": "bad"})
    assert repository.look() == FIRST
    assert "cannot be read" in repository.kept["models.d/projects/b.yaml"].why


def test_nobody_lets_themselves_in_and_a_new_author_may_change_what_comes_after() -> None:
    projects = {"p1": ["bob"], "p2": ["bob", "ada"]}

    def owners_of(files: Mapping[str, str]) -> Owners:
        authors = frozenset(projects[files["models.d/projects/b.yaml"]])
        return Owners(frozenset({"root"}), ((("models.d/*/b-*",), authors),))

    def judged(*signers: str) -> dict[str, Kept]:
        files: Mapping[str, str] = FIRST
        steps = []
        for number, signer in enumerate(signers, start=1):
            change = {"models.d/projects/b.yaml": "p2"} if number == 1 else {B: "b2"}
            files = {**files, **change}
            steps.append(Step(f"c{number}", (f"c{number - 1}",), signer, files))
        return authorship.judge(History("c0", FIRST, {}, steps), owners_of, lambda *_: True)

    assert set(judged("ada", "ada")) == {"models.d/projects/b.yaml", B}
    assert judged("root", "ada") == {}


def test_authors_that_keep_nobody_out_are_an_error() -> None:
    def said(**projects: str) -> list[str]:
        files = two_teams()
        for name, more in projects.items():
            files[f"models.d/projects/{name}.yaml"] = project_file(name, limits("b") + more)
        return [one.message for one in desired.load(files, commit="c").problems]

    claim = ', files: ["models.d/production/b-*"], authors: [bob]'
    assert said(b=claim) == [
        "spec.authors: they keep nobody out, since anybody may change models.d/projects/b.yaml"
    ]
    assert said(b=", authors: [bob]") == ["spec.authors: these are authors of no files"]
    assert said(b=claim, default=", authors: [root]") == []


Wrote = dict[tuple[str, str], set[str]]
SIGNERS = ["ada", "bob", "eve", "root", ""]


def drawn(data: st.DataObject, repository: Repository, number: int, wrote: Wrote) -> str:
    """One more commit, by anybody, from anywhere, with whatever files."""
    signer = data.draw(st.sampled_from(SIGNERS))
    parents = data.draw(
        st.lists(st.sampled_from(sorted(repository.files)), min_size=1, max_size=2, unique=True)
    )
    picked = {}
    for path in (A, B):
        theirs = [repository.files[one].get(path, "") for one in parents]
        picked[path] = data.draw(st.sampled_from([*theirs, f"{signer}{number}", "", FIRST[path]]))
        if set(theirs) != {picked[path]}:
            wrote.setdefault((path, picked[path]), set()).add(signer)
    return repository.commit(signer, *parents, **picked)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_people_commit_and_merge_a_file_in_force_is_one_that_its_author_signed(
    data: st.DataObject,
) -> None:
    repository, wrote = Repository(), Wrote()
    for number in range(data.draw(st.integers(1, 10))):
        name = drawn(data, repository, number, wrote)
        if repository.goes_on(name) and data.draw(st.booleans()):
            before, after = repository.look(repository.last), repository.look(name)
            for path, author in ((A, "ada"), (B, "bob")):
                if after.get(path) != before.get(path):
                    assert author in wrote[path, after.get(path, "")]
