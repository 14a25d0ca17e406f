"""`plimsoll optimise`: from a recipe to a published version with lineage, numbers and evidence."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from registry.cli.client import Client
from registry.settings import Settings
from registry.trust import keys
from tests.cli.conftest import Run, run
from tests.making.optimising import networks

RECIPE = """\
apiVersion: plimsoll.dev/v1
kind: OptimisationRecipe
metadata: {name: small-int8}
spec:
  model: MODEL
  data:
    golden: {path: golden.npz}
  search:
    - oneOf:
        - quantise: {mode: dynamic}
        - quantise: {mode: int4, operators: [Gather]}
      optional: false
  constraints: {maxAccuracyLoss: LOSS}
  measure: {requests: 20}
"""


def recipe(folder: Path, *, model: str = "{path: model.onnx}", loss: str = "0.2") -> Path:
    networks.model(folder / "model.onnx")
    networks.samples(folder / "golden.npz", 200, of=folder / "model.onnx")
    path = folder / "small-int8.yaml"
    path.write_text(RECIPE.replace("MODEL", model).replace("LOSS", loss))
    return path


def test_a_result_is_published_with_its_lineage_its_numbers_and_signed_evidence(
    plimsoll: Run, client: Client, settings: Settings, tmp_path: Path
) -> None:
    keys.write(keys.generate_signing_key(), tmp_path / "lab.pem")
    entry = {
        "name": "lab",
        "publicKey": keys.load_signing_key(tmp_path / "lab.pem").public_pem,
    }
    settings.testers_file.write_text(json.dumps({"testers": [entry]}))
    recipe(tmp_path)
    first = plimsoll("push", "small", tmp_path / "model.onnx")
    assert first.code == 0, first.err
    digest = first.out.split()[2]
    path = recipe(tmp_path, model=f'{{name: small, version: 1, digest: "{digest}"}}')
    done = plimsoll(
        "optimise", path, "--out", tmp_path / "out", "--publish", "small",
        "--evidence-key", tmp_path / "lab.pem",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "not made: int4 of Gather" in done.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["best"] == "int8 dynamic"
    assert report["failed"][0]["name"] == "int4 of Gather"
    (made,) = report["candidates"]
    assert made["measured"]["sizeBytes"] == (tmp_path / "out/model/model.onnx").stat().st_size
    assert report["before"]["accuracy"] == pytest.approx(0.9)

    version = client.version("small", 2)
    metadata = version["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["derivedFrom"] == [
        {"relation": "quantised", "model": "small", "version": 1, "reference": ""}
    ]
    assert metadata["metrics"]["accuracy"] == made["measured"]["accuracy"]  # type: ignore[index,call-overload]
    assert "| 1. **int8 dynamic** (front) |" in client.card("small", 2)
    listed = plimsoll("evidence", "list", "small@2", "-o", "json").document
    assert {one["signer"] for one in listed if one["kind"] == "test-result"} == {"lab"}
    ET.fromstring((tmp_path / "out" / "pareto.svg").read_text())  # noqa: S314  our own


def test_what_holds_nothing_is_told_written_and_not_published(tmp_path: Path) -> None:
    path = recipe(tmp_path, loss="0.0")
    text = path.read_text().replace("maxAccuracyLoss: 0.0", "maxSize: 1Ki")
    path.write_text(text)
    done = run("optimise", path, "--out", tmp_path / "out")
    assert done.code == 3
    assert "nothing that was made holds the constraints" in done.err
    assert "at most 1Ki are allowed" in (tmp_path / "out" / "report.md").read_text()
    assert not (tmp_path / "out" / "model").exists()


def test_a_dry_run_prints_the_plan_and_touches_nothing(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    before = sorted(tmp_path.iterdir())
    done = run("optimise", path, "--dry-run")
    assert done.code == 0, done.err
    assert "1. int8 dynamic" in done.out
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("golden.npz", "missing.npz"), "missing.npz is not there"),
        (("{path: model.onnx}", "{path: golden.npz}"), "golden.npz"),
        (("{path: golden.npz}", f'{{path: golden.npz, digest: "sha256:{"0" * 64}"}}'), "digest"),
        (("mode: dynamic}", "mode: dynamic, sensitivity: {maxChanged: 0.1}}"), "calibration"),
    ],
    ids=["no data", "no model", "other data", "no calibration"],
)
def test_what_is_not_as_the_recipe_says_stops_before_anything_is_made(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    path = recipe(tmp_path)
    path.write_text(path.read_text().replace(*change))
    done = run("optimise", path, "--out", tmp_path / "out")
    assert done.code != 0
    assert said in done.err
    assert not (tmp_path / "out").exists()
