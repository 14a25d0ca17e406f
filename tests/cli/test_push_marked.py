"""`plimsoll push --watermark` and what people see of it."""

from pathlib import Path

from tests.cli.conftest import Run
from tests.registry.marking import WEIGHTS, files
from tests.registry.publishing import onnx_model


def test_a_pushed_model_is_marked_shown_verified_and_not_pushed_twice(
    plimsoll: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path, data in files().items():
        (folder / path).write_bytes(data)
    first = plimsoll("push", "digits", str(folder), "--watermark", "--output", "json")
    assert first.code == 0, first.err
    assert first.document["watermark"]["weights"] == WEIGHTS
    again = plimsoll("push", "digits", str(folder), "--watermark", "--output", "json")
    assert again.document["version"] == 1
    assert "published before, as version 1" in again.err
    shown = plimsoll("model", "show", "digits@1")
    assert f"wm/v1 in {WEIGHTS} weights" in shown.out
    assert plimsoll("model", "verify", "digits@1").code == 0
    # An admin's token; a publisher's is refused.
    plain = plimsoll("push", "digits", str(folder), "--no-watermark", "--output", "json")
    assert (plain.document["version"], plain.document["watermark"]) == (2, None)


def test_a_model_too_small_for_a_mark_is_refused_with_what_to_do(
    plimsoll: Run, tmp_path: Path
) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(onnx_model())
    done = plimsoll("push", "digits", str(model), "--watermark")
    assert done.code != 0
    assert "too few for a watermark" in done.err
    assert "without --watermark" in done.err
