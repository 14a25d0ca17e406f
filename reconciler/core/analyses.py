"""The analyses that strategies and promotions name: do they exist, and have they all they need?"""

from collections.abc import Iterator, Mapping

from reconciler.core import substitution
from reconciler.core.kinds.analysis import (
    GIVEN_ARGS,
    AnalysisReference,
    AnalysisTemplate,
    Metric,
)
from reconciler.core.kinds.providers import Http, Prometheus
from reconciler.core.sources import K, Source, Tree
from registry.core import documents
from registry.core.documents import Path, Problem
from registry.errors import InvalidInput

_SAMPLE = dict.fromkeys(GIVEN_ARGS, "name-1")


def templates(
    reference: AnalysisReference, known: Mapping[str, AnalysisTemplate]
) -> tuple[AnalysisTemplate, ...]:
    """Those that `reference` names; all of them are there once `problems` found none."""
    names = [one.template_name for one in reference.templates]
    return tuple(known[name] for name in names if name in known)


def given(reference: AnalysisReference) -> dict[str, str]:
    """The arguments that `reference` gives."""
    return {arg.name: arg.value for arg in reference.args}


def problems(
    source: Source[K], at: Path, reference: AnalysisReference, tree: Tree
) -> Iterator[Problem]:
    """What is wrong with the analysis that stands at `at` in the file."""
    known = {name: one.kind for name, one in tree.analyses.items()}
    found = list(_names(source, at, reference, tree))
    found = found or list(_twice(source, at, reference, known))
    found = found or list(_args(source, at, reference, known))
    yield from found or _questions(source, at, reference, known)


def endless(
    source: Source[K], at: Path, reference: AnalysisReference, tree: Tree
) -> Iterator[Problem]:
    """What never ends by itself, in an analysis that a step or a promotion waits for."""
    known = {name: one.kind for name, one in tree.analyses.items()}
    for index, template in enumerate(templates(reference, known)):
        for metric in template.spec.metrics:
            if metric.interval is not None and metric.count is None:
                place: Path = (*at, "templates", index, "templateName")
                message = f"{template.metadata.name}: {metric.name} is measured without end"
                fix = "give the metric a count, or let the analysis run beside the steps"
                yield source.document.problem(place, f"{_dotted(place)}: {message}", fix=fix)


def _names(
    source: Source[K], at: Path, reference: AnalysisReference, tree: Tree
) -> Iterator[Problem]:
    for index, one in enumerate(reference.templates):
        name, place = one.template_name, (*at, "templates", index, "templateName")
        if name in tree.templates:
            message = f"{name!r} is an AcceptanceTemplate, which is for spec.acceptance"
            fix = "name an AnalysisTemplate"
        elif name not in tree.analyses:
            message = f"there is no good AnalysisTemplate {name!r}"
            meant = documents.did_you_mean(name, sorted(tree.analyses))
            fix = f"mend or add models.d/templates/{name}.yaml; {meant}"
        else:
            continue
        yield source.document.problem(place, f"{_dotted(place)}: {message}", fix=fix)


def _twice(
    source: Source[K],
    at: Path,
    reference: AnalysisReference,
    known: Mapping[str, AnalysisTemplate],
) -> Iterator[Problem]:
    seen = dict[str, str]()
    for index, template in enumerate(templates(reference, known)):
        for metric in template.spec.metrics:
            name, place = template.metadata.name, (*at, "templates", index, "templateName")
            if metric.name in seen:
                message = f"the metric {metric.name} is in {seen[metric.name]} already"
                fix = "give the metrics of templates that are used together different names"
                yield source.document.problem(place, f"{_dotted(place)}: {message}", fix=fix)
            seen[metric.name] = name


def _args(
    source: Source[K],
    at: Path,
    reference: AnalysisReference,
    known: Mapping[str, AnalysisTemplate],
) -> Iterator[Problem]:
    declared = {arg.name for one in templates(reference, known) for arg in one.spec.args}
    for index, arg in enumerate(reference.args):
        place: Path = (*at, "args", index, "name")
        if arg.name not in declared:
            message = f"{_dotted(place)}: no template here has the argument {arg.name!r}"
            fix = documents.did_you_mean(arg.name, sorted(declared))
            yield source.document.problem(place, message, fix=fix)
        elif arg.name in [one.name for one in reference.args[:index]]:
            message = f"{_dotted(place)}: {arg.name} is given twice"
            yield source.document.problem(place, message, fix="remove one")
    named = given(reference)
    for template in templates(reference, known):
        for wanted in template.spec.args:
            if wanted.value is None and wanted.name not in named:
                message = f"{_dotted(at)}: {template.metadata.name} needs {wanted.name}"
                fix = f"add args: [{{name: {wanted.name}, value: ...}}]"
                yield source.document.problem(at, message, fix=fix)


def _questions(
    source: Source[K],
    at: Path,
    reference: AnalysisReference,
    known: Mapping[str, AnalysisTemplate],
) -> Iterator[Problem]:
    """Whether everything can be asked with these arguments."""
    for template in templates(reference, known):
        defaults = {arg.name: arg.value for arg in template.spec.args if arg.value is not None}
        args = {**_SAMPLE, **defaults, **given(reference)}
        for metric in template.spec.metrics:
            try:
                _fill(metric, args)
            except InvalidInput as error:
                message = f"{_dotted(at)}: {template.metadata.name}, {metric.name}: {error.detail}"
                yield source.document.problem(at, message, fix=error.fix)


def _fill(metric: Metric, args: Mapping[str, str]) -> None:
    match metric.provider.one:
        case Prometheus() as asked:
            substitution.into_query(asked.query, args)
            substitution.into_query(asked.samples or "", args)
        case Http() as asked:
            substitution.into_url(asked.url, args)
            substitution.into_json(asked.body, args)
        case _:
            return


def _dotted(at: Path) -> str:
    return ".".join(str(part) for part in at)
