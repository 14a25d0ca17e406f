"""What docs/fleet.md shows is what the files may say."""

import re
from pathlib import Path

from reconciler.core import kinds
from registry.core import documents

PAGE = (Path(__file__).parents[3] / "docs" / "fleet.md").read_text()
AROUND = (Path(__file__).parent / "bad" / "nobody_may_move.yaml").read_text()


def test_every_example_is_valid_in_a_deployment() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    head = re.sub(r"  (targets|fleet): .*\n", "", AROUND)
    said = "".join(f"  {line}\n" for example in examples for line in example.splitlines())
    document = documents.read("models.d/production/digits.yaml", (head + said).encode())
    assert isinstance(document, documents.Document)
    found = kinds.read(document)
    assert isinstance(found, kinds.ModelDeployment), found
    assert found.spec.fleet.wait_seconds == 300
    assert found.spec.sync_wave == 1
    assert found.spec.targets.means({"gpu": "true", "site": "kiel"})


def test_every_field_of_the_fleet_is_explained() -> None:
    fields = set(kinds.FleetRollout.model_json_schema()["properties"])
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == fields
