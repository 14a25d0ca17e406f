"""Promotions against all other files: is there what they name, and do they lead nowhere twice?"""

from collections.abc import Collection, Iterator, Mapping

from reconciler.core import analyses
from reconciler.core.kinds.promotion import Promotion
from reconciler.core.projects import allowance, globs
from reconciler.core.sources import Source, Tree
from registry.core import documents
from registry.core.documents import Problem


def good(
    tree: Tree, deployments: Collection[str], found: list[Problem]
) -> Iterator[tuple[str, Promotion]]:
    """Those that may go on, by where they lead to; `found` gets what is wrong with others."""
    for _, source in sorted(tree.promotions.items()):
        wrong = list(problems(source, tree, deployments))
        found.extend(wrong)
        if not wrong:
            yield source.kind.spec.to, source.kind


def problems(source: Source[Promotion], tree: Tree, good: Collection[str]) -> Iterator[Problem]:
    """What is wrong with one of the promotions; `good` are the deployments that may go on."""
    spec, document = source.kind.spec, source.document
    for field, key in (("from", spec.from_), ("to", spec.to)):
        if key not in good:
            message = f"spec.{field}: there is no good deployment {key!r}"
            fix = f"mend or add models.d/{key}.yaml"
            if good:
                fix += f"; {documents.did_you_mean(key, sorted(good))}"
            yield document.problem(("spec", field), message, fix=fix)
            return
    yield from _analysed(source, tree)
    at = ("spec", "to")
    models = [tree.deployments[key].kind.spec.model.name for key in (spec.from_, spec.to)]
    if models[0] != models[1]:
        message = f"spec.to: {spec.to} serves {models[1]}, and {spec.from_} {models[0]}"
        yield document.problem(at, message, fix="name deployments of one model")
    same = [name for name, one in sorted(tree.promotions.items()) if one.kind.spec.to == spec.to]
    if same[0] != source.kind.metadata.name:
        message = f"spec.to: the promotion {same[0]} leads to {spec.to} too"
        yield document.problem(at, message, fix="keep one of them")
    if _is_round(spec.to, tree.promotions):
        message = f"spec.to: promotions lead from {spec.to} back to it"
        yield document.problem(at, message, fix="remove one of them")
    if tree.deployments[spec.to].kind.spec.model.follow is not None:
        message = f"spec.to: {spec.to} follows an alias or a range already"
        yield document.problem(at, message, fix=f"take follow out of {spec.to}, or this file out")
    yield from _strange(source, tree)


def _analysed(source: Source[Promotion], tree: Tree) -> Iterator[Problem]:
    """Its analysis is there, and ends."""
    asked = source.kind.spec.conditions.analysis
    if asked is not None:
        place = ("spec", "conditions", "analysis")
        found = list(analyses.problems(source, place, asked, tree))
        yield from found or analyses.endless(source, place, asked, tree)


def _is_round(start: str, others: Mapping[str, Source[Promotion]]) -> bool:
    """Whether one can come back to `start`."""
    seen: set[str] = set()
    ahead = {start}
    while ahead:
        seen |= ahead
        ahead = {one.kind.spec.to for one in others.values() if one.kind.spec.from_ in ahead}
        if start in ahead:
            return True
        ahead -= seen
    return False


def _strange(source: Source[Promotion], tree: Tree) -> Iterator[Problem]:
    """Only a project that has files of its own promotes to its deployments."""
    spec = source.kind.spec
    project = allowance.of(tree, tree.deployments[spec.to].kind)
    files = [] if project is None else project.kind.spec.files
    if project is not None and files and not globs.any_fits(files, source.path):
        message = f"spec.to: {spec.to} is of the project {project.kind.metadata.name}"
        fix = f"name the file after one of {', '.join(files)}"
        yield source.document.problem(("spec", "to"), message, fix=fix)
