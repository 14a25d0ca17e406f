"""models.d/, policies/ and docs/schema/ of this repository are what they claim to be."""

import json
from pathlib import Path

import jsonschema
import pytest

from deploy.demo import golden
from reconciler.core import desired, kinds
from reconciler.core.kinds import Kind
from registry.core import documents
from registry.core.policy import testing

ROOT = Path(__file__).resolve().parents[3]
FILES = {
    path.relative_to(ROOT).as_posix(): path.read_bytes()
    for folder in desired.FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file()
}
YAML = sorted(path for path in FILES if path.endswith(".yaml"))


def test_the_worked_example_is_valid() -> None:
    state = desired.load(FILES, commit="c")
    assert [problem.detail for problem in state.problems] == []
    assert list(state.deployments) == ["production/digits"]
    assert state.deployments["production/digits"].hosts == ("edge-1",)


def test_the_policies_pass_their_tests_and_the_tests_cover_them() -> None:
    state = desired.load(FILES, commit="c")
    report = testing.run(state.policies, state.policy_tests)
    assert [result for result in report.results if not result.passed] == []
    assert report.gaps == ()
    assert len(report.results) >= 8


def test_the_golden_data_set_is_what_its_script_writes() -> None:
    assert FILES["models.d/datasets/digits-golden.csv"] == golden.content()
    assert len(golden.content()) < 100_000


@pytest.mark.parametrize("name", sorted(kinds.KINDS))
def test_the_published_schema_is_current(name: str) -> None:
    published = json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text())
    assert published == kinds.schema(kinds.KINDS[name]), (
        f"run: plimsoll schema {name} > docs/schema/{name}.json"
    )
    jsonschema.Draft202012Validator.check_schema(published)


@pytest.mark.parametrize("path", YAML)
def test_every_file_names_a_schema_that_accepts_it(path: str) -> None:
    first = FILES[path].decode().splitlines()[0]
    document = documents.read(path, FILES[path])
    assert isinstance(document, documents.Document)
    kind = str(document.value["kind"])
    assert first == f"# yaml-language-server: $schema=../../docs/schema/{kind}.json"
    schema = json.loads((ROOT / "docs" / "schema" / f"{kind}.json").read_text())
    jsonschema.validate(document.value, schema)


def _kinds_of_bad_files() -> list[tuple[str, type[Kind]]]:
    folder = Path(__file__).parent / "bad"
    names = ("field_is_misspelt_deep_down", "version_is_a_float", "canary_without_steps")
    return [((folder / f"{name}.yaml").read_text(), kinds.ModelDeployment) for name in names]


@pytest.mark.parametrize(("text", "kind"), _kinds_of_bad_files())
def test_the_schema_refuses_what_the_reader_refuses(text: str, kind: type[Kind]) -> None:
    document = documents.read("x.yaml", text.encode())
    assert isinstance(document, documents.Document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document.value, kinds.schema(kind))
