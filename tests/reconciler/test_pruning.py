"""A desired state that cannot be read, or says nothing, takes nothing away from anybody."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.reconciler.town import DEPLOYMENT, Town, town
from tests.registry.publishing import Publisher


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Serving version 1; each test leaves Git as it found it."""
    publisher = Publisher()
    with town(tmp_path_factory.mktemp("town"), publisher) as made:
        made.publish(1, publisher)
        made.deploy(1)
        made.settle()
        assert made.serving() is not None
        yield made


def an_empty_commit(here: Town) -> None:
    here.origin.git("rm", "-rq", ".")
    here.origin.git("commit", "-qm", "nothing")
    here.origin.git("push", "-q", "origin", "main")


def no_models_folder(here: Town) -> None:
    here.origin.git("rm", "-rq", "models.d")
    here.origin.git("commit", "-qm", "no models.d")
    here.origin.git("push", "-q", "origin", "main")


def only_the_deployments_are_gone(here: Town) -> None:
    here.origin.commit({DEPLOYMENT: None})


def every_file_broken(here: Town) -> None:
    files = here.origin.git("ls-files").splitlines()
    here.origin.commit(dict.fromkeys(files, "kind: ["))


def a_broken_file_beside_another_name(here: Town) -> None:
    """As when a deployment is renamed, and the new file has a slip in it."""
    here.origin.commit({DEPLOYMENT: None, "models.d/production/renamed.yaml": "kind: ["})


def an_unrelated_empty_history(here: Town) -> None:
    here.origin.git("checkout", "-q", "--orphan", "other")
    here.origin.git("rm", "-rqf", ".")
    here.origin.git("commit", "-q", "--allow-empty", "-m", "another beginning")
    here.origin.git("push", "-qf", "origin", "other:main")


def a_deleted_branch(here: Town) -> None:
    here.origin.git("push", "-q", "origin", "main:parked")
    here.origin.git("--git-dir", here.origin.url, "symbolic-ref", "HEAD", "refs/heads/parked")
    here.origin.git("push", "-q", "origin", ":main")


def a_repository_that_is_gone(here: Town) -> None:
    Path(here.origin.url).rename(f"{here.origin.url}.away")


@pytest.mark.parametrize(
    "done",
    [
        an_empty_commit,
        no_models_folder,
        only_the_deployments_are_gone,
        every_file_broken,
        a_broken_file_beside_another_name,
        an_unrelated_empty_history,
        a_deleted_branch,
        a_repository_that_is_gone,
    ],
)
def test_nothing_is_taken_away_by(here: Town, done: Callable[[Town], None]) -> None:
    host, before = here.hosts["edge-1"], here.origin.git("rev-parse", "HEAD")
    writes = len(host.writes)
    done(here)
    here.loop.hint()
    here.rounds(6)
    assert host.writes[writes:] == []
    assert here.serving() is not None
    _restore(here, before)
    here.rounds(6)
    assert host.writes[writes:] == []
    assert here.loop.source.error == ""
    found = here.loop.gather()
    assert found is not None
    assert found.desired.commit == here.origin.git("rev-parse", "HEAD")


def _restore(here: Town, commit: str) -> None:
    """All files as they were at `commit`, in a commit on top: history is not taken back."""
    away = Path(f"{here.origin.url}.away")
    if away.exists():
        away.rename(here.origin.url)
    here.origin.git("checkout", "-q", "-f", "main")
    here.origin.git("checkout", "-q", commit, "--", ".")
    here.origin.git("commit", "-q", "--allow-empty", "-m", "as it was")
    here.origin.git("push", "-qf", "origin", "main")
    here.loop.hint()


def test_what_serves_is_healed_while_git_asks_for_nothing(here: Town) -> None:
    before = here.origin.git("rev-parse", "HEAD")
    here.origin.git("rm", "-q", DEPLOYMENT)
    here.origin.git("commit", "-qm", "nothing")
    here.origin.git("push", "-q", "origin", "main")
    here.loop.hint()
    here.rounds(2)
    serving = here.serving()
    assert serving is not None
    here.hosts["edge-1"].kill(serving.name)
    here.settle()
    assert here.serving() is not None
    _restore(here, before)
