"""docs/custom-tests.md: its example is run as it stands, its template is valid, its schema true."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler.core.kinds.trials import Container, Trials
from reconciler.core.trials import container
from reconciler.core.trials.container import Ended, Result
from registry import errors
from registry.core import documents
from tests.reconciler.trials.answering import Version, answering

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "custom-tests.md").read_text()
SCHEMA = json.loads((DOCS / "schema" / "TrialResult.json").read_text())


def shown(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def template() -> Container:
    document = documents.read("x.yaml", shown("yaml").encode())
    assert isinstance(document, documents.Document)
    assert isinstance(document.value, dict)
    return Container.model_validate(document.value["container"])


def run(url: str) -> Result:
    spec = template()
    told = container.told(spec, url=url, model="digits", version=1, digest="sha256:1")
    done = subprocess.run(
        [sys.executable, "-c", shown("python")],
        env={"PLIMSOLL_TRIAL": json.dumps(told)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    if done.stdout:
        jsonschema.validate(json.loads(done.stdout), SCHEMA)
    return container.judged(spec, Ended(done.returncode, done.stdout, done.stderr.decode()))


@pytest.mark.parametrize(
    ("probabilities", "reasons"),
    [
        ([0.4, 0.3, 0.3], ()),
        ([0.9, 0.1], ("a blank picture is a digit with probability 0.90",)),
    ],
)
def test_the_example_passes_a_modest_model_and_refuses_a_bold_one(
    probabilities: list[float], reasons: tuple[str, ...]
) -> None:
    with answering() as runtime:
        runtime.versions["digits", 1] = Version(lambda _: {"probabilities": probabilities})
        found = run(runtime.url)
    assert (found.reasons, found.metrics) == (reasons, {"surest": max(probabilities)})


def test_the_example_asks_to_be_run_again_where_nobody_answers() -> None:
    with pytest.raises(errors.Unavailable, match="said last: the candidate does not answer"):
        run("http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("said", "is_valid"),
    [
        ({"passed": True}, True),
        ({"passed": True, "reasons": [], "metrics": {"a.b": 1}}, True),
        ({"passed": False, "reasons": ["no"]}, True),
        ({"passed": False}, False),
        ({"passed": True, "reasons": ["but"]}, False),
        ({"passed": 1}, False),
        ({"passed": True, "metrics": {"a b": 1}}, False),
        ({"passed": True, "metrics": {"a": "1"}}, False),
        ({"passed": True, "more": 1}, False),
        ({"passed": True, "contract": "other"}, False),
        ({"passed": False, "reasons": ["no"] * 21}, False),
        ({"passed": False, "reasons": ["x" * 501]}, False),
    ],
)
def test_the_published_schema_and_our_reader_agree(said: dict[str, Any], is_valid: bool) -> None:
    document = {"contract": container.CONTRACT, **said}
    checked = jsonschema.Draft202012Validator(SCHEMA)
    assert checked.is_valid(document) == is_valid
    try:
        container.read(json.dumps(document).encode())
        is_read = True
    except errors.InvalidInput:
        is_read = False
    assert is_read == is_valid


def test_every_check_that_the_page_on_acceptance_shows_is_valid() -> None:
    _, _, part = (DOCS / "acceptance.md").read_text().partition("## Beyond metrics")
    found = re.search(r"```yaml\n(.*?)```", part, re.DOTALL)
    assert found
    document = documents.read("x.yaml", found[1].encode())
    assert isinstance(document, documents.Document)
    assert Trials.model_validate(document.value).unasked == frozenset()
