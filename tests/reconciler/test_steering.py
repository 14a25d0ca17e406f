"""A canary with everything real around it but the hosts, and a person who lets it go on."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reconciler import memory, state, wishes
from reconciler.cli import app
from reconciler.core import rollout, rolloutjson
from reconciler.core.strategies import progress
from reconciler.core.strategies.progress import State, Verb
from registry import errors
from registry.cli import status
from registry.core.entries import Kind
from tests.reconciler.town import DEPLOYMENT, Town, manifest, town
from tests.registry.publishing import Publisher

KEY = "production/digits"
CANARY = "canary: {steps: [{setWeight: 20}, {pause: {}}], scaleDownDelaySeconds: 0}"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    alice = Publisher()
    with town(tmp_path, alice) as made:
        made.publish(1, alice)
        made.publish(2, alice)
        made.deploy(1)
        made.settle()
        text = manifest(2, made.digests[2], strategy=CANARY)
        made.origin.commit({DEPLOYMENT: text}, "Try version 2")
        made.loop.hint()
        _until(made, lambda: _state(made) is State.PAUSED)
        yield made


def _state(here: Town) -> State | None:
    known = here.loop.memory.rollouts()[KEY].progress
    return None if known is None else known.state


def _until(here: Town, is_so: Callable[[], bool]) -> None:
    for _ in range(60):
        if is_so():
            return
        here.rounds(1)
    raise AssertionError("it never came to that")


def _say(here: Town, *words: str) -> str:
    command = [*words, "--config", str(here.folder / "plimsoll.toml")]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def _weight(here: Town) -> int | None:
    share = here.hosts["edge-1"].routes["digits"].share
    return None if share is None else share.weight


def test_a_person_promotes_a_canary_and_the_log_says_who_got_what_and_why(here: Town) -> None:
    assert _weight(here) == 20
    _say(here, "promote", KEY, "--reason", "numbers look good")
    here.settle()
    serving = here.serving()
    assert serving is not None
    assert serving.version == 2
    assert _weight(here) is None
    told = {entry.kind: entry for entry in here.log()}
    assert told[Kind.SHIFTED].detail["weight"] == 20
    assert "numbers look good" in told[Kind.STEERED].reason
    assert here.hosts["edge-1"].outages == []


def test_a_person_sees_where_it_is_what_it_waits_for_and_how_to_go_on(here: Town) -> None:
    here.rounds(1)
    server = [here.server.addresses[0], "--token-file", str(here.folder / "registry/admin.token")]
    shown = CliRunner().invoke(status.app, [KEY, "--server", *server], catch_exceptions=False)
    print(shown.output)
    assert "canary step 2/4 (pause), 20 % of the traffic, paused since 20" in shown.output
    assert f"a person must let it go on: plimsoll promote {KEY}" in shown.output
    assert f"  plimsoll abort {KEY} --reason WHY" in shown.output
    said = _say(here, "promote", KEY, "--reason", "numbers look good")
    assert "was paused at step 2; the reconciler will go on with the next step" in said


def test_a_person_aborts_a_canary_and_git_is_told_too(here: Town) -> None:
    _say(here, "abort", KEY, "--reason", "support is flooded")
    here.settle()
    serving = here.serving()
    assert serving is not None
    assert serving.version == 1
    assert _weight(here) is None
    kinds = [entry.kind for entry in here.log()]
    assert Kind.QUARANTINED in kinds
    assert Kind.REVERT_PUSHED in kinds


def _under_way() -> rollout.Rollouts:
    under_way = progress.Progress("r", "p", 1, State.PAUSED, 1.0)
    return {KEY: rollout.Rollout(hosts={}, progress=under_way)}


def test_a_wish_counts_once_also_when_its_file_outlives_a_crash(tmp_path: Path) -> None:
    with closing(state.StateFolder(tmp_path)) as folder:
        folder.save_rollouts(_under_way())
        kept = memory.Memory(folder)
        wishes.leave(tmp_path, KEY, Verb.PROMOTE, "numbers look good")
        (left,) = wishes.found(tmp_path)
        data = left.path.read_bytes()
        found = kept.look({}, 2.0)[KEY]
        assert found.wish == left.wish
        assert not left.path.exists()
        assert folder.rollouts()[KEY] == found
        granted = replace(found, wish=None, granted=left.wish.id)
        folder.save_rollouts({KEY: granted})
        left.path.write_bytes(data)
        assert memory.Memory(folder).look({}, 3.0) == {KEY: granted}
        assert not left.path.exists()


def test_a_wish_that_comes_while_an_older_one_is_taken_in_is_not_lost(tmp_path: Path) -> None:
    with closing(state.StateFolder(tmp_path)) as folder:
        folder.save_rollouts(_under_way())
        wishes.leave(tmp_path, KEY, Verb.PROMOTE, "numbers look good")
        (older,) = wishes.found(tmp_path)
        wishes.leave(tmp_path, KEY, Verb.ABORT, "support is flooded")
        older.drop()
        found = memory.Memory(folder).look({}, 2.0)[KEY].wish
        assert found is not None
        assert (found.verb, found.reason) == (Verb.ABORT, "support is flooded")
        older.drop()
        assert list((tmp_path / wishes.FOLDER).iterdir()) == []


def test_nobody_can_promote_what_is_not_under_way(tmp_path: Path) -> None:
    with closing(state.StateFolder(tmp_path)) as folder:
        folder.save_rollouts(_under_way())
    with pytest.raises(errors.NotFound, match="no rollout of production/other"):
        wishes.leave(tmp_path, "production/other", Verb.PROMOTE, "because")
    with pytest.raises(errors.Unsupported, match="is paused, and pause changes nothing"):
        wishes.leave(tmp_path, KEY, Verb.PAUSE, "because")
    with pytest.raises(errors.InvalidInput, match="a reason is needed"):
        wishes.leave(tmp_path, KEY, Verb.PROMOTE, " ")
    with pytest.raises(errors.NotFound, match="no reconciler has run"):
        wishes.leave(tmp_path / "elsewhere", KEY, Verb.PROMOTE, "because")


def test_a_file_that_is_no_wish_is_dropped(tmp_path: Path) -> None:
    with closing(state.StateFolder(tmp_path)) as folder:
        folder.save_rollouts(_under_way())
        (tmp_path / wishes.FOLDER).mkdir()
        (tmp_path / wishes.FOLDER / "production.digits").write_text("promote!")
        assert memory.Memory(folder).look({}, 2.0)[KEY].wish is None
        assert list((tmp_path / wishes.FOLDER).iterdir()) == []


def test_memory_of_before_there_were_strategies_is_still_read() -> None:
    text = b'{"deployments":{"production/digits":{"hosts":{},"quarantined":[]}},"format":1}'
    assert rolloutjson.load(text) == {KEY: rollout.Rollout(hosts={})}
    assert rolloutjson.load(rolloutjson.dump(_under_way())) == _under_way()
