"""What is said of versions, from the command line: at the push, later, and side by side."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.formats import onnx_models

CARD = "---\nlicense: apache-2.0\n---\n# Digits\n\nReads \x1b[31mdigits.\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    for path, content in onnx_models.with_external_data().items():
        (folder / path).write_bytes(content)
    (folder / "weights.bin").write_bytes(b"\x02" * 48)
    return folder


@pytest.fixture
def pushed(plimsoll: Run, model: Path, small: Path, tmp_path: Path) -> Run:
    """Two versions, the second quantised from the first."""
    card = tmp_path / "README.md"
    card.write_text(CARD)
    said = ("--commit", "c0ffee", "--repository", "https://git.example/digits", "--owner", "risk")
    data = ("--dataset", "mnist=sha256:" + "d" * 64, "--param", "epochs=3", "--card", card)
    first = plimsoll("push", "digits", model, *said, *data, "--tag", "team=risk", "-o", "json")
    assert first.code == 0, first.err
    child = ("--derived-from", "quantised:digits@1", "--metric", "accuracy=0.5")
    second = plimsoll("push", "digits", small, *child, "--licence", "MIT")
    assert second.code == 0, second.err
    return plimsoll


def test_what_was_said_at_the_push_is_shown(pushed: Run) -> None:
    shown = pushed("model", "show", "digits@1").out
    for expected in ("team", "risk", "c0ffee", "apache-2.0", "mnist", "epochs", "https://git.ex"):
        assert expected in shown
    metadata = pushed("model", "show", "digits@2", "-o", "json").document["metadata"]
    assert metadata["licence"] == "MIT"
    assert metadata["derivedFrom"][0]["model"] == "digits"


def test_lineage_goes_to_data_set_and_commit(pushed: Run) -> None:
    shown = pushed("model", "lineage", "digits@2").out
    assert "quantised" in shown
    assert "c0ffee" in shown
    assert "mnist sha256:dddddddddddd" in shown
    edges = pushed("model", "lineage", "digits@1", "-o", "json").document["edges"]
    assert edges == [{"child": "digits@2", "relation": "quantised", "parent": "digits@1"}]


def test_a_card_cannot_steer_the_terminal(pushed: Run) -> None:
    shown = pushed("model", "card", "digits@1")
    assert shown.code == 0
    assert "# Digits" in shown.out
    assert "\x1b" not in shown.out
    assert pushed("model", "card", "digits@2").code == 1


def test_tags_are_set_and_removed(pushed: Run) -> None:
    done = pushed("model", "tag", "digits@1", "team-", "stage=review", "-o", "json")
    assert done.document == {"stage": "review"}
    assert pushed("model", "tag", "digits@1", "nonsense").code == 1


def test_a_model_gets_a_name_for_people(pushed: Run) -> None:
    assert pushed("model", "edit", "digits", "--display-name", "Digits, by hand").code == 0
    assert pushed("model", "edit", "digits@1", "--description", "reads digits").code == 0
    assert pushed("model", "edit", "digits@1").code == 1
    assert "Digits, by hand" in pushed("model", "show", "digits").out
    assert "reads digits" in pushed("model", "show", "digits@1").out


def test_two_versions_are_compared_where_they_differ(pushed: Run) -> None:
    shown = pushed("model", "compare", "digits@1", "digits@2")
    lines = {line.split()[0] for line in shown.out.splitlines()[1:]}
    assert {"licence", "commit", "metrics.accuracy", "tags.team", "onnx/weights.bin"} <= lines
    assert "onnx/model.onnx" not in lines
    same = pushed("model", "compare", "digits@1", "digits@1")
    assert (same.code, same.out) == (0, "")


def test_a_variant_is_pushed_verified_and_pulled(
    plimsoll: Run, model: Path, small: Path, tmp_path: Path
) -> None:
    plimsoll("push", "digits", model)
    added = plimsoll("push", "digits", small, "--variant-of", 1, "--variant", "onnx-small")
    assert added.code == 0, added.err
    assert "onnx-small" in plimsoll("model", "show", "digits@1").out
    assert plimsoll("model", "verify", "digits@1", "--variant", "onnx-small").code == 0
    target = tmp_path / "pulled"
    assert plimsoll("pull", "digits@1", target, "--variant", "onnx-small").code == 0
    assert (target / "weights.bin").read_bytes() == b"\x02" * 48
    unknown = plimsoll("pull", "digits@1", tmp_path / "no", "--variant", "tflite")
    assert (unknown.code, "it has onnx, onnx-small" in unknown.err) == (1, True)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--variant-of", 1, "--version", 2),
        ("--variant-of", 1, "--owner", "risk"),
        ("--tag", "team"),
        ("--derived-from", "quantised"),
        ("--derived-from", "copied:digits@1"),
        ("--dataset", "mnist=sha256:12"),
        ("--card", "missing.md"),
    ],
)
def test_a_push_that_says_nonsense_publishes_nothing(
    plimsoll: Run, model: Path, wrong: tuple[object, ...]
) -> None:
    done = plimsoll("push", "digits", model, *wrong)
    assert done.code == 1
    assert "fix:" in done.err
    assert plimsoll("model", "show", "digits").code == 1
