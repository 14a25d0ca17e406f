"""Recipes as people write them: what is refused, with its place; and what a good one plans."""

import re
from pathlib import Path

import pytest

from registry.core.facts import Relation
from registry.core.recipes import planning
from registry.errors import InvalidDesiredState

BAD = Path(__file__).parent / "bad"
HEAD = """\
apiVersion: plimsoll.dev/v1
kind: OptimisationRecipe
metadata: {name: small}
spec:
  model: {path: model.onnx}
  data:
    golden: {path: golden.npz}
    calibration: {path: calibration.npz}
"""


def plan(rest: str) -> tuple[planning.Candidate, ...]:
    return planning.plan(planning.read("small.yaml", (HEAD + rest).encode()).spec)


@pytest.mark.parametrize("name", sorted(path.stem for path in BAD.glob("*.yaml")))
def test_a_bad_recipe_is_refused_with_place_and_fix(name: str) -> None:
    with pytest.raises(InvalidDesiredState) as refused:
        planning.read("small.yaml", (BAD / f"{name}.yaml").read_bytes())
    said = f"{refused.value.detail}\n  fix: {refused.value.fix}\n"
    assert said == (BAD / f"{name}.error").read_text()
    assert re.match(r"small\.yaml:\d+:\d+: ", said)


def test_steps_alone_make_one_candidate_in_their_order() -> None:
    (only,) = plan("""\
  steps:
    - prune: {method: magnitude, sparsity: 0.5}
    - quantise: {mode: static}
""")
    assert only.name == "pruned 50 %, int8 static"
    assert only.relations == (Relation.PRUNED, Relation.QUANTISED)


def test_a_search_makes_every_combination_and_leaves_out_doing_nothing() -> None:
    found = plan("""\
  search:
    - oneOf:
        - prune: {method: magnitude, sparsity: 0.3}
        - prune: {method: nm, n: 2, m: 4}
    - oneOf:
        - quantise: {mode: dynamic}
""")
    assert [one.name for one in found] == [
        "int8 dynamic",
        "pruned 30 %",
        "pruned 2:4",
        "pruned 30 %, int8 dynamic",
        "pruned 2:4, int8 dynamic",
    ]


def test_two_that_read_alike_get_names_of_their_own_and_the_same_twice_is_made_once() -> None:
    found = plan("""\
  search:
    - oneOf:
        - quantise: {mode: dynamic}
        - quantise: {mode: dynamic, perChannel: false}
        - quantise: {mode: dynamic}
      optional: false
""")
    assert [one.name for one in found] == ["int8 dynamic", "int8 dynamic #2"]


def test_the_plan_says_every_setting_that_a_step_has() -> None:
    recipe = planning.read(
        "small.yaml", f"{HEAD}  steps:\n    - quantise: {{mode: int4, block: 64}}\n".encode()
    )
    said = "\n".join(planning.lines(recipe, planning.plan(recipe.spec)))
    assert "1. int4" in said
    assert "mode int4" in said
    assert "block 64" in said


def test_the_recipe_that_the_page_shows_is_one_and_makes_what_it_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "optimise.md").read_text()
    shown = re.search(r"```yaml\n(apiVersion.*?)```", page, re.DOTALL)
    assert shown
    recipe = planning.read("digits-small.yaml", shown[1].encode())
    assert [one.name for one in planning.plan(recipe.spec)] == [
        "int8 dynamic",
        "int8 static, fragile layers kept",
        "float16",
        "pruned 30 %, int8 dynamic",
        "pruned 30 %, int8 static, fragile layers kept",
        "pruned 30 %, float16",
    ]
