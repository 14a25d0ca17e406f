"""Authors of projects, with real commits and keys: what stays as it was, and who is told."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler import client, gate, journal, repo, signatures, source, state, witness
from reconciler.core import desired, status
from reconciler.core.gittrust import Mode, Rules
from reconciler.core.hoststatus import Sync
from tests.core.publication import Publication
from tests.reconciler import signers
from tests.reconciler.core.projects.projects import limits, project_file, two_teams
from tests.reconciler.origin import Origin
from tests.reconciler.signers import Ssh

NOW = 1_800_000_000.0
A, B = "models.d/production/a-one.yaml", "models.d/production/b-one.yaml"
AUTHORS = {
    "default": ', authors: ["root@example.com"]',
    "a": ', files: ["models.d/*/a-*"], authors: ["ada@example.com"]',
    "b": ', files: ["models.d/*/b-*"], authors: ["bob@example.com"]',
}


@dataclass
class Shared:
    """A repository of two teams, in which everybody can push and each has a key."""

    origin: Origin
    folder: Path
    state: state.StateFolder
    keys: dict[str, Ssh]

    @property
    def repository(self) -> repo.Repository:
        return repo.Repository(
            self.origin.url, branch="main", folder=self.folder / "clone", author=("Bot", "b@e.com")
        )

    def gate(self, mode: Mode = Mode.STRICT) -> gate.Gate:
        """A new one each time, as after a restart."""
        allowed = self.folder / "allowed_signers"
        allowed.write_text("".join(key.line() for key in self.keys.values()))
        (self.folder / "token").write_text("t")
        registry = client.Registry("http://127.0.0.1:1", self.folder / "token")
        seen = witness.Witness(registry, self.state, lambda: Publication({"x": b"x"}).trust)
        examiner = gate.Examiner(
            self.repository, signatures.Signatures(allowed, None, None), Rules(mode)
        )
        return gate.Gate(
            examiner, self.state, journal.Journal(registry, self.state, seen), clock=lambda: NOW
        )

    def commit(self, who: str, **files: bytes) -> str:
        """Files by their paths, a `__` for each `/` and without `.yaml`."""
        for name, data in files.items():
            path = self.origin.work / "models.d" / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return signers.commit(self.origin, self.keys[who], f"By {who}")

    def source(self, mode: Mode = Mode.STRICT) -> source.Source:
        return source.Source(self.repository, self.gate(mode), poll_s=60, clock=lambda: NOW)

    def look(self, mode: Mode = Mode.STRICT) -> desired.DesiredState:
        with closing(self.source(mode)) as found:
            known = found.state(patience_s=60)
        assert known is not None, found.error
        return known


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    keys = {name: signers.ssh(tmp_path / "keys", name) for name in ("root", "ada", "bob")}
    files = two_teams() | {
        f"models.d/projects/{name}.yaml": project_file(name, limits(name) + more)
        for name, more in AUTHORS.items()
    }
    with closing(state.StateFolder(tmp_path / "state")) as folder:
        made = Shared(Origin(tmp_path / "remote"), tmp_path, folder, keys)
        for path, data in files.items():
            (made.origin.work / path).parent.mkdir(parents=True, exist_ok=True)
            (made.origin.work / path).write_bytes(data)
        made.commit("root")
        assert made.look().problems == ()
        yield made


def versions(found: desired.DesiredState) -> dict[str, int]:
    return {key: one.manifest.spec.model.version for key, one in found.deployments.items()}


def test_a_change_by_another_teams_author_stays_out_over_restarts_until_somebody_takes_it(
    shared: Shared,
) -> None:
    first, second = (two_teams()[path].replace(b"version: 1", b"version: 2") for path in (A, B))
    head = shared.commit("ada", **{"production__a-one": first, "production__b-one": second})
    for _ in range(2):
        found = shared.look()
        assert found.commit == head
        assert versions(found) == {"production/a-one": 2, "production/b-one": 1}
        assert set(found.kept) == {B}
    said = {one.deployment: one for one in status.compute(found, {}, {}, NOW)}["production/b-one"]
    assert said.sync is Sync.OUT_OF_SYNC
    assert said.sync_reason == (
        f"{B} stays as it was: commit {head[:12]}, signed by ada@example.com, changes a file that "
        "only bob@example.com may change"
    )
    refused = [event for _, event in shared.state.pending() if event["kind"] == "commit_refused"]
    assert [(event["commit"], event["detail"]) for event in refused] == [
        (head, {"mode": "strict", "code": "not_an_author", "files": [B]})
    ]
    origin = f"{shared.origin.url} main"
    standing = gate.peek(shared.state.path, origin)
    assert standing is not None
    assert [one.commit for one in standing.kept.values()] == [head]
    with closing(shared.source()) as living:
        assert living.state(patience_s=60) == found
        state.leave_wish(shared.state.path, head, "Bob is on holiday")
        living.hint()
        taken = living.state(patience_s=60)
    assert taken is not None
    assert versions(taken) == {"production/a-one": 2, "production/b-one": 2}
    assert shared.look().kept == {}


def test_without_git_trust_nobody_is_known_and_so_nobody_is_an_author(shared: Shared) -> None:
    shared.commit("bob", **{"production__b-one": two_teams()[B] + b"# by Bob, who can prove it\n"})
    assert set(shared.look(Mode.NONE).kept) == {B}


def test_with_only_the_newest_signature_asked_for_authors_still_sign_each_change(
    shared: Shared,
) -> None:
    text = two_teams()[B].replace(b"version: 1", b"version: 2")
    (shared.origin.work / B).write_bytes(text)
    signers.commit(shared.origin, None, "Whoever")
    shared.commit("bob")
    assert versions(shared.look(Mode.HEAD))["production/b-one"] == 1
