"""What a stranger's file can do while it is loaded: nothing beyond the one folder it writes to."""

import pickle
import socket
from pathlib import Path
from typing import Any

import pytest

from registry import errors
from registry.making import child


class Doing:
    """A pickle that calls a function when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def loaded(tmp_path: Path, what: Doing, **asked: Any) -> Any:
    path, work = tmp_path / "in" / "model.pkl", tmp_path / "work"
    path.parent.mkdir()
    work.mkdir()
    path.write_bytes(pickle.dumps(what))
    request = {
        "job": "export", "source": str(path), "folder": str(work / "made"), "to": "onnx",
        "readable": [str(path.parent)], "writable": str(work), "name": "model", "example": None,
        "tolerance": [0.0, 0.0], "batched": True, "pickle": True, **asked,
    }  # fmt: skip
    return child.run(request, work)


def test_a_pickle_that_nobody_trusts_is_never_loaded(tmp_path: Path) -> None:
    with pytest.raises(errors.UnsafeModel, match=r"is a Python pickle") as caught:
        loaded(tmp_path, Doing(open, str(tmp_path / "work" / "ran"), "w"), pickle=False)
    assert "module:function" in caught.value.fix
    assert not (tmp_path / "work" / "ran").exists()


def test_one_that_is_trusted_writes_below_its_folder_alone(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidInput, match=r"Permission"):
        loaded(tmp_path, Doing(open, str(tmp_path / "elsewhere"), "w"))
    assert not (tmp_path / "elsewhere").exists()


def test_it_reads_no_file_of_its_user(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("token")
    with pytest.raises(errors.InvalidInput, match=r"Permission"):
        loaded(tmp_path, Doing(open, str(secret)))


@pytest.mark.parametrize(
    "what",
    [Doing(socket.create_connection, ("127.0.0.1", 9)), Doing(pickle.loads, b"cos\nfork\n(tR.")],
    ids=["connects", "forks"],
)
def test_it_reaches_nobody_and_starts_nothing(what: Doing, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidInput, match=r"not permitted"):
        loaded(tmp_path, what)


def test_a_child_that_dies_says_by_what(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidInput, match=r"ended with Aborted"):
        loaded(tmp_path, Doing(pickle.loads, b"cos\nabort\n(tR."))
