"""What survives a crash of the reconciler."""

import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from reconciler import state
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
