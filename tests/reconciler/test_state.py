"""What survives a crash of the reconciler."""

import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from reconciler import memory, state
from reconciler.core import rolloutjson
from reconciler.core.actions import Start
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import HostRollout, Rollout
from registry import errors


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], state.StateFolder]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(state.StateFolder(tmp_path / "state")))


Opened = Callable[[], state.StateFolder]


def test_a_new_folder_remembers_nothing(opened: Opened) -> None:
    folder = opened()
    assert folder.rollouts() == {}
    assert folder.checkpoint() is None
    assert folder.token("edge-1") is None
    assert folder.pending() == []


def test_a_second_reconciler_is_kept_out(tmp_path: Path) -> None:
    first = state.StateFolder(tmp_path)
    with pytest.raises(errors.Conflict, match="another reconciler uses"):
        state.StateFolder(tmp_path)
    first.close()
    state.StateFolder(tmp_path).close()


def test_the_outbox_keeps_order_over_a_restart(opened: Opened) -> None:
    folder = opened()
    for number in range(12):
        folder.post({"id": str(number)})
    folder.unpost(folder.pending()[0][0])
    folder.close()
    again = opened()
    again.post({"id": "last"})
    assert [event["id"] for _, event in again.pending()] == [
        *(str(number) for number in range(1, 12)),
        "last",
    ]


def test_secrets_are_for_the_owner_only(opened: Opened, tmp_path: Path) -> None:
    folder = opened()
    folder.save_token("edge-1", "plm_secret")
    assert folder.token("edge-1") == "plm_secret"
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "tokens" / "edge-1").stat().st_mode) == 0o600


def test_a_half_written_file_of_a_crash_is_ignored(opened: Opened, tmp_path: Path) -> None:
    folder = opened()
    folder.save_checkpoint("good")
    (tmp_path / "state" / ".checkpoint.new").write_text("half")
    (tmp_path / "state" / "outbox" / ".000000000001.json.new").write_text("{")
    assert folder.checkpoint() == "good"
    assert folder.pending() == []


def test_what_an_older_release_remembered_in_one_file_is_kept_and_split(
    opened: Opened, tmp_path: Path
) -> None:
    known = {"production/digits": Rollout({"edge-1": HostRollout()}), "b/c": Rollout({})}
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "rollouts.json").write_bytes(rolloutjson.dump(known))
    assert state.peek(tmp_path / "state") == known
    folder = opened()
    assert folder.rollouts() == known
    assert not (tmp_path / "state" / "rollouts.json").exists()
    folder.drop_rollout("b/c")
    assert state.peek(tmp_path / "state") == {"production/digits": known["production/digits"]}


def test_a_change_rewrites_the_memory_of_its_own_deployment_only(
    opened: Opened, tmp_path: Path
) -> None:
    folder = opened()
    folder.save_rollouts({f"production/m{number}": Rollout({}) for number in range(30)})
    files = {path: path.stat().st_ino for path in (tmp_path / "state" / "rollouts").iterdir()}
    keeper = memory.Memory(folder)
    spec = InstanceSpec("h1", "production/m7", "m", 1, "sha256:1", "onnx", "image", 1, 1.0, "c")
    keeper.intend(Start("h1", spec, "r", Reason(Why.NEW_SPEC, "new")), 1.0)
    after = {path: path.stat().st_ino for path in files}
    assert [path.name for path in files if after[path] != files[path]] == ["production%2Fm7.json"]
    assert state.peek(tmp_path / "state") == keeper.rollouts()


def test_a_deployment_that_a_host_names_like_a_path_is_no_path(
    opened: Opened, tmp_path: Path
) -> None:
    folder = opened()
    known = {key: Rollout({}) for key in ("../../out", "a" * 400, "..", "")}
    folder.save_rollouts(known)
    assert folder.rollouts() == known
    assert not (tmp_path.parent / "out.json").exists()
    assert len(list((tmp_path / "state" / "rollouts").iterdir())) == 4
