"""What docs/fleet.md shows is what the files may say."""

import re
from pathlib import Path

import pytest

from reconciler.core import kinds
from registry.core import documents

PAGE = (Path(__file__).parents[3] / "docs" / "fleet.md").read_text()
AROUND = (Path(__file__).parent / "bad" / "nobody_may_move.yaml").read_text()


EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
HOST = """\
apiVersion: plimsoll.dev/v1
metadata: {name: edge-1}
kind: Host
spec:
  engine: {address: unix:///var/run/docker.sock}
  ingress: {port: 8501}
"""


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_valid(example: str) -> None:
    path, text = "models.d/hosts/edge-1.yaml", example.replace("kind: Host\nspec:\n", HOST)
    if text == example:
        path = "models.d/production/digits.yaml"
        field = example.partition(":")[0]
        head = re.sub(rf"  ({field}|fleet): .*\n", "", AROUND)
        text = head + "".join(f"  {line}\n" for line in example.splitlines())
    document = documents.read(path, text.encode())
    assert isinstance(document, documents.Document), document
    assert isinstance(kinds.read(document), kinds.ModelDeployment | kinds.Host)


def test_every_field_of_the_fleet_is_explained() -> None:
    fields = set(kinds.FleetRollout.model_json_schema()["properties"])
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == fields
