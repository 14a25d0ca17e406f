"""`plimsoll optimise --remote`: the registry runs the recipe, and what comes back is the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from registry.cli.client import Client
from registry.settings import Settings
from tests.cli import conftest, test_optimising
from tests.cli.conftest import Run


@pytest.fixture
def settings(tmp_path: Path, key: Path) -> Settings:
    found: Settings = conftest.settings_of(tmp_path, key)
    return replace(found, running=replace(found.running, optimisations=1))


@pytest.fixture
def recipe(plimsoll: Run, tmp_path: Path) -> Path:
    """Of a version that is in the registry."""
    test_optimising.recipe(tmp_path)
    first = plimsoll("push", "small", tmp_path / "model.onnx")
    assert first.code == 0, first.err
    model = f'{{name: small, version: 1, digest: "{first.out.split()[2]}"}}'
    return test_optimising.recipe(tmp_path, model=model)


def test_the_registry_runs_it_and_its_result_is_published_from_here(
    plimsoll: Run, client: Client, recipe: Path, tmp_path: Path
) -> None:
    words = ("optimise", recipe, "--remote")
    done = plimsoll(*words, "--out", tmp_path / "out", "--publish", "small")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["best"], report["origin"]) == ("int8 dynamic", "small@1")
    (made,) = report["candidates"]
    assert made["measured"]["sizeBytes"] == (tmp_path / "out/model/model.onnx").stat().st_size
    assert "int8 dynamic" in (tmp_path / "out/report.md").read_text()
    assert (tmp_path / "out/pareto.svg").stat().st_size > 500
    assert client.version("small", 2)["digest"] in done.out + done.err
    # The same again is the same: found, not run.
    again = plimsoll(*words, "--out", tmp_path / "again", "-o", "json")
    assert again.code == 0, again.err
    assert again.document == report
    (listed,) = client.pages("/v1/optimisations", "optimisations", {})
    assert (listed["state"], listed["model"], listed["version"]) == ("done", "small", 1)
    assert plimsoll(*words, "--withdraw").code == 0
    assert list(client.pages("/v1/optimisations", "optimisations", {})) == []


def test_what_cannot_be_carried_out_is_told_with_its_reason(
    plimsoll: Run, recipe: Path, tmp_path: Path
) -> None:
    (tmp_path / "golden.npz").write_bytes(b"no archive")
    done = plimsoll("optimise", recipe, "--remote", "--out", tmp_path / "out")
    assert done.code == 1
    assert "the registry did not carry it out" in done.err
    assert "golden" in done.err
    assert not (tmp_path / "out").exists()


def test_a_recipe_on_a_file_of_ones_own_is_refused(
    plimsoll: Run, recipe: Path, tmp_path: Path
) -> None:
    own = test_optimising.recipe(recipe.parent)
    done = plimsoll("optimise", own, "--remote", "--out", tmp_path / "out")
    assert done.code == 1
    assert "write model: {name, version, digest}" in done.err
