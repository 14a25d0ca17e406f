"""The reconciler's commands, as an operator meets them."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.cli import main
from tests.reconciler.core.sets.files import set_file
from tests.reconciler.town import POLICY, Town, town
from tests.registry.publishing import Publisher

ROOT = Path(__file__).parents[2]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    for folder in ("models.d", "policies"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_the_worked_example_is_valid(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(example)]) == 0
    assert capsys.readouterr().out == "ok: 1 deployments, 1 hosts, 17 policies\n"


def test_an_error_names_place_and_fix(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = example / "models.d" / "production" / "digits.yaml"
    path.write_text(path.read_text().replace("version: 1", "version: latest"))
    assert main(["validate", str(example)]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("models.d/production/digits.yaml:12:14: spec.model.version: ")
    assert "  fix: write the whole number of one published version" in printed.out
    assert "1 problem found" in printed.err


def test_validate_lists_what_sets_make(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = example / "models.d" / "sets" / "edge.yaml"
    path.parent.mkdir()
    path.write_bytes(set_file("list: {elements: [{host: edge-1}]}").replace(b"digits, v", b"d, v"))
    assert main(["validate", str(example)]) == 0
    assert capsys.readouterr().out.startswith(
        "models.d/sets/edge.yaml makes 1: production/digits-edge-1\nok: 2 deployments, "
    )


def test_a_folder_without_desired_state_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(tmp_path)]) == 1
    assert "has neither models.d/ nor policies/" in capsys.readouterr().err


def test_the_policies_pass_their_tests(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "test", str(example)]) == 0
    assert capsys.readouterr().out.endswith("every expression seen true and false\n")


def test_a_policy_test_that_fails_ends_with_three(
    example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = example / "policies" / "deploy" / "signed.yaml"
    lines = path.read_text().splitlines(keepends=True)
    changed = [
        line.replace("expression: ", "expression: true || ") if "expression:" in line else line
        for line in lines
    ]
    path.write_text("".join(changed))
    assert main(["policy", "test", str(example)]) == 3
    assert "FAIL policies/deploy/signed_test.yaml" in capsys.readouterr().out


def test_a_broken_policy_file_is_no_test_that_passes(
    example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (example / "policies" / "deploy" / "signed.yaml").write_text("kind: [")
    assert main(["policy", "test", str(example)]) == 1
    assert "policies/deploy/signed.yaml:1:8: not YAML" in capsys.readouterr().out


def test_a_gap_is_counted_and_named(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example / "policies" / "deploy" / "watermarked_test.yaml").unlink()
    assert main(["policy", "test", str(example)]) == 3
    printed = capsys.readouterr()
    gap = "GAP  policies/deploy/watermarked.yaml: never seen true or false: has(verification"
    assert gap in printed.out
    assert re.search(r"seen true and false: 9\d% of \d+ expressions", printed.err)


def test_the_schema_of_a_kind_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "ModelDeployment"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "ModelDeployment"


def test_an_unknown_kind_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "Deployment"]) == 1
    assert "one of ModelDeployment, Host" in capsys.readouterr().err


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    publisher = Publisher()
    with town(tmp_path, publisher) as made:
        made.publish(1, publisher)
        yield made


def test_a_plan_says_what_would_happen_and_changes_nothing(
    here: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    here.deploy(1)
    config = str(here.folder / "plimsoll.toml")
    assert main(["plan", "--config", config, "--detailed-exitcode"]) == 2
    printed = capsys.readouterr().out
    assert "edge-1: preflight plimsoll-edge-1-production-digits-" in printed
    assert here.hosts["edge-1"].writes == []
    here.settle()
    assert main(["plan", "--config", config, "--detailed-exitcode"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_policies_are_explained_by_what_verifies(
    here: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    here.deploy(1)
    words = ["policy", "explain", "production/digits", str(here.origin.work)]
    assert main([*words, "--config", str(here.folder / "plimsoll.toml")]) == 0
    printed = capsys.readouterr().out
    assert 'true  enforce signed: verification.publisher == "alice"' in printed
    assert printed.endswith("allowed\n")


def test_an_explained_denial_ends_with_three(
    here: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    here.deploy(1)
    path = "policies/deploy/signed.yaml"
    here.origin.commit({path: POLICY.replace('"alice"', '"bob"')}, "Trust bob only")
    words = ["policy", "explain", "production/digits", str(here.origin.work)]
    assert main([*words, "--config", str(here.folder / "plimsoll.toml")]) == 3
    printed = capsys.readouterr()
    assert 'false enforce signed: verification.publisher == "bob"' in printed.out
    assert "only alice may publish here" in printed.err
