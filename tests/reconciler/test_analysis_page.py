"""docs/analysis.md and docs/drift.md: what they show is read by the code that reads Git."""

import re
from pathlib import Path

import pytest

from reconciler import config
from reconciler.core import desired
from reconciler.core.kinds.analysis import AnalysisSpec, Metric
from reconciler.core.kinds.providers import Provider

PAGE = (Path(__file__).parents[2] / "docs" / "analysis.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


DRIFT = (Path(__file__).parents[2] / "docs" / "drift.md").read_text()


@pytest.mark.parametrize("text", [*EXAMPLES, *re.findall(r"```yaml\n(.*?)```", DRIFT, re.DOTALL)])
def test_every_template_on_the_pages_is_good(text: str) -> None:
    named = re.search(r"metadata: \{name: ([a-z-]+)\}", text)
    assert named is not None
    path = f"models.d/templates/{named[1]}.yaml"
    state = desired.load({path: text.encode()}, commit="c")
    assert state.problems == ()
    assert list(state.analyses) == [named[1]]


def test_every_provider_is_shown_and_every_field_of_a_metric_is_told() -> None:
    shown = {
        name
        for name in Provider.model_fields
        if any(re.search(rf"\b{name}:", text) for text in EXAMPLES)
    }
    assert shown == set(Provider.model_fields)
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE.split("## How it ends")[0], re.MULTILINE))
    fields = {field.alias or name for name, field in Metric.model_fields.items()}
    assert told == fields - {"name"}
    assert set(AnalysisSpec.model_fields) == {"args", "metrics"}


def test_the_configuration_on_the_page_is_good(tmp_path: Path) -> None:
    (tables,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "plimsoll.toml"
    path.write_text(f'[reconciler]\nrepository = "x"\n{tables}')
    found = config.load(path).sources
    assert found.prometheus[0].token_file == tmp_path / "prometheus.token"
    assert found.checks[0].address == "https://labels.example/quality"
