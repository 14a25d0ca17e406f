"""What docs/rollouts.md shows is what the files may say."""

import re
from pathlib import Path

import pytest

from reconciler.core import kinds
from reconciler.core.kinds.strategy import StepOf
from registry.core import documents

PAGE = (Path(__file__).parents[3] / "docs" / "rollouts.md").read_text()
AROUND = (Path(__file__).parent / "bad" / "canary_without_steps.yaml").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=[text.split(":")[0] for text in EXAMPLES])
def test_every_example_is_a_strategy(text: str) -> None:
    head = AROUND[: AROUND.index("    canary:")]
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    document = documents.read("models.d/production/digits.yaml", (head + indented).encode())
    assert isinstance(document, documents.Document)
    found = kinds.read(document)
    assert isinstance(found, kinds.ModelDeployment), found
    assert found.spec.strategy.name == text.split(":", maxsplit=1)[0]


def test_every_strategy_and_every_step_is_explained() -> None:
    strategies = kinds.ModelDeployment.model_json_schema()["$defs"]["Strategy"]["properties"]
    assert {text.split(":")[0] for text in EXAMPLES} == set(strategies)
    steps = set(StepOf.model_json_schema()["properties"])
    assert steps <= set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
