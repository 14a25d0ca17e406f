"""An analysis that a strategy names: whatever it lacks is told where it is named."""

import pytest

from reconciler.core import analyses, desired, sources
from reconciler.core.kinds.analysis import AnalysisReference
from registry.core import documents, reading
from tests.reconciler.core.analysed import metric, template_file
from tests.reconciler.core.wishes import TEMPLATE, deployment_file, host_file

PROMETHEUS = (
    """{prometheus: {address: 'http://p:9090', query: 'x{a="{{args.model}}"}[{{args.w}}]'}}"""
)


def tree(**templates: bytes) -> sources.Tree:
    files = {f"models.d/templates/{name}.yaml": text for name, text in templates.items()}
    files["models.d/production/digits.yaml"] = deployment_file("digits", 1, ["h1"]).encode()
    found = sources.read(files)
    assert found.problems == []
    return found


def said(known: sources.Tree, reference: str) -> list[str]:
    """What is wrong with `reference`, which stands for a strategy's."""
    text = documents.read("x.yaml", reference.encode())
    assert isinstance(text, documents.Document)
    wanted = reading.part(text.value, AnalysisReference, what="reference")
    source = known.deployments["production/digits"]
    return [one.message for one in analyses.problems(source, ("spec",), wanted, known)]


def test_templates_of_both_kinds_are_read_from_one_folder() -> None:
    files = {
        "models.d/templates/golden.yaml": TEMPLATE.encode(),
        "models.d/templates/errors.yaml": template_file(metric()),
    }
    assert list(desired.load(files, commit="c").analyses) == ["errors"]


def test_an_acceptance_test_cannot_be_an_analysis() -> None:
    files = {
        "models.d/templates/golden.yaml": template_file(metric(), name="golden"),
        "models.d/production/digits.yaml": deployment_file("digits", 1, ["h1"]).encode(),
    }
    problems = desired.load(files, commit="c").held["production/digits"]
    assert "that is an AnalysisTemplate" in problems[-1].fix


def test_a_broken_analysis_takes_nothing_down_that_does_not_name_it() -> None:
    files = {
        "models.d/templates/errors.yaml": b"kind: [",
        "models.d/production/digits.yaml": deployment_file(
            "digits", 1, ["h1"], tested=False
        ).encode(),
        "models.d/hosts/h1.yaml": host_file("h1").encode(),
    }
    state = desired.load(files, commit="c")
    assert list(state.deployments) == ["production/digits"]
    assert state.may_prune


def test_templates_and_arguments_are_resolved() -> None:
    known = tree(
        errors=template_file(metric(by=PROMETHEUS), args="[{name: w}]"),
        more=template_file(metric("more"), name="more"),
    )
    reference = (
        "templates: [{templateName: errors}, {templateName: more}]\nargs: [{name: w, value: 5m}]"
    )
    assert said(known, reference) == []


def test_what_is_waited_for_must_end() -> None:
    known = tree(
        ends=template_file(metric(), name="ends"),
        goes=template_file(metric("on", "interval: 1m"), metric("once", "count: 1"), name="goes"),
    )
    wanted = reading.part(
        {"templates": [{"templateName": "ends"}, {"templateName": "goes"}]},
        AnalysisReference,
        what="reference",
    )
    source = known.deployments["production/digits"]
    (found,) = analyses.endless(source, ("spec",), wanted, known)
    assert found.message == "spec.templates.1.templateName: goes: on is measured without end"


@pytest.mark.parametrize(
    ("reference", "wrong"),
    [
        ("templates: [{templateName: erors}]", "there is no good AnalysisTemplate 'erors'"),
        ("templates: [{templateName: golden}]", "is an AcceptanceTemplate"),
        (
            """{templates: [{templateName: errors}, {templateName: twin}],
            args: [{name: w, value: 5m}]}""",
            "the metric errors is in errors already",
        ),
        ("templates: [{templateName: errors}]", "errors needs w"),
        (
            "templates: [{templateName: twin}]\nargs: [{name: w, value: 5m}]",
            "no template here has the argument 'w'",
        ),
        (
            """{templates: [{templateName: errors}],
            args: [{name: w, value: 5m}, {name: w, value: 6m}]}""",
            "w is given twice",
        ),
        (
            "templates: [{templateName: errors}]\nargs: [{name: w, value: '5m]) or x'}]",
            "errors, errors: '5m]) or x' stands outside of quotes",
        ),
    ],
)
def test_what_an_analysis_lacks_is_told_where_it_is_named(reference: str, wrong: str) -> None:
    known = tree(
        errors=template_file(metric(by=PROMETHEUS), args="[{name: w}]"),
        twin=template_file(metric(), name="twin"),
        golden=TEMPLATE.encode(),
    )
    (found,) = said(known, reference)
    assert wrong in found
