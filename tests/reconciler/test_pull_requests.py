"""A rollback becomes a pull request on a forge, with a real Git remote and a forge that listens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core import outcomes, reverts
from reconciler.core.observed import Health
from reconciler.core.reasons import Reason, Why
from registry.core.entries import Kind
from tests.reconciler.core.asking import KEY
from tests.reconciler.forges import servers
from tests.reconciler.test_rollback import told, versions
from tests.reconciler.town import DEPLOYMENT, Town, town
from tests.registry.publishing import Publisher


@pytest.fixture
def forge() -> Iterator[servers.State]:
    with servers.serving("gitea") as made:
        yield made


@pytest.fixture
def here(tmp_path: Path, forge: servers.State) -> Iterator[Town]:
    """Version 1 serves; version 2 is there, and no runtime takes it."""
    (tmp_path / "forge.token").write_text(servers.TOKEN)
    more = f"""
[[reconciler.forge]]
kind = "gitea"
address = "{forge.url}"
project = "acme/models"
token_file = "forge.token"
"""
    alice = Publisher()
    with town(tmp_path, alice, more) as made:
        made.publish(1, alice)
        made.publish(2, alice)
        made.deploy(1)
        made.settle()
        made.hosts["edge-1"].becomes[made.digests[2]] = Health.REFUSED
        yield made


def commented(here: Town) -> str:
    """A commit that asks for version 2, in a file that people have written into."""
    text = (here.origin.work / DEPLOYMENT).read_text().replace("version: 1", "version: 2  # by Ada")
    text = text.replace(here.digests[1], here.digests[2])
    commit = here.origin.commit({DEPLOYMENT: f"# Ours.\n{text}"}, "Serve version 2")
    here.loop.hint()
    here.settle()
    return commit


def test_a_rollback_becomes_a_pull_request_with_the_evidence(
    here: Town, forge: servers.State, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = commented(here)
    (pull,) = forge.pulls
    assert (pull.base, pull.head) == ("main", f"plimsoll/revert/production-digits-{bad[:12]}")
    assert pull.title == "Revert production/digits to digits version 1"
    (entry,) = told(here, Kind.QUARANTINED)
    assert entry.reason in pull.body
    assert "(refused_by_runtime)" in pull.body
    index = next(at for at, one in enumerate(here.log()) if one.kind == Kind.QUARANTINED)
    assert f"Log-Entry: {index}" in pull.body
    (proposed,) = told(here, Kind.REVERT_PROPOSED)
    assert proposed.detail["request"] == "https://forge.example/pull/1"
    quarantined = here.status()["quarantined"]
    assert isinstance(quarantined, list)
    assert quarantined[0]["request"] == "https://forge.example/pull/1"
    said = "".join(capfd.readouterr())
    assert "open-request production/digits" in said
    assert servers.TOKEN not in said + str(here.log()) + str(here.status())


def test_merging_it_makes_git_ask_for_what_serves_and_changes_no_host(
    here: Town, forge: servers.State
) -> None:
    bad = commented(here)
    (pull,) = forge.pulls
    assert here.origin.git("rev-parse", "origin/main") == bad
    here.origin.git("fetch", "--quiet")
    here.origin.git("merge", "--quiet", "--no-ff", f"origin/{pull.head}", "-m", "Merge it")
    here.origin.git("push", "--quiet", "origin", "main")
    pull.state = "merged"
    writes = len(here.hosts["edge-1"].writes)
    here.loop.hint()
    here.settle()
    text = (here.origin.work / DEPLOYMENT).read_text()
    assert text.startswith("# Ours.\n")
    assert "version: 1  # by Ada" in text
    assert here.status()["sync"] == {"status": "Synced", "reason": ""}
    assert len(here.hosts["edge-1"].writes) == writes
    assert (pull.state, pull.comments) == ("merged", [])
    assert here.hosts["edge-1"].outages == []


def test_a_forge_that_is_down_delays_no_host_and_hears_of_it_later(
    here: Town, forge: servers.State
) -> None:
    forge.answers = [503, 503]
    here.deploy(2)
    here.settle()
    assert versions(here)[0] == 1
    clock = here.loop.clock
    here.loop.clock = lambda: clock() + 100
    here.settle()
    here.loop.clock = lambda: clock() + 200
    here.settle()
    assert [pull.state for pull in forge.pulls] == ["open"]
    forge.loses = 2  # of the comment, and of what closes it
    here.deploy(1)
    for seconds in (300, 400, 500):
        here.loop.clock = lambda late=seconds: clock() + late
        here.settle()
    (pull,) = forge.pulls
    assert pull.state == "closed"
    assert ["Git asks for version 1" in one for one in pull.comments] == [True]
    assert len(told(here, Kind.REVERT_WITHDRAWN)) == 1


def test_a_request_whose_number_nobody_knows_is_closed_by_its_branch_and_only_that_one(
    here: Town, forge: servers.State
) -> None:
    commented(here)
    (pull,) = forge.pulls
    entry = here.loop.memory.rollouts()[KEY].quarantined[-1]
    why = Reason(Why.NEW_SPEC, "Git asks for version 3")
    for branch, state in (("plimsoll/revert/another", "open"), (pull.head, "closed")):
        close = reverts.CloseRequest(KEY, None, branch, entry.spec, why)
        assert here.loop.effects.proposals.perform(close) == outcomes.Done()
        assert pull.state == state
    assert len(told(here, Kind.REVERT_WITHDRAWN)) == 1
