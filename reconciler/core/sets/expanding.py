"""All sets of a commit, put among the deployments as if these had been written by hand. Pure.

What stands by hand goes before what is made: a set that would make it as well is wrong, and the
deployment goes on. What was made of an element is kept while the set's file is the same, so a host
that comes costs what it adds.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.core import kinds
from reconciler.core.projects import globs
from reconciler.core.sets import elements, making
from reconciler.core.sets.elements import Around, Element
from reconciler.core.sets.making import Outcome
from reconciler.core.sources import Source, Tree
from registry.core import documents
from registry.core.documents import Problem, Words
from registry.errors import InvalidInput

_GENERATORS = ("spec", "generators")


@dataclass(frozen=True, slots=True)
class _Known:
    """What a set made, and what it looked at for that."""

    source: Source[kinds.ModelDeploymentSet]
    looked: tuple[object, ...]
    outcomes: tuple[Outcome, ...]
    by_element: dict[str, Outcome]
    problems: tuple[Problem, ...]


class Sets:
    """What sets made of the last commit. `made` is how many deployments were read anew."""

    def __init__(self) -> None:
        self.made = 0
        self._known: dict[str, _Known] = {}

    def expand(self, tree: Tree) -> None:
        """Put what the sets of `tree` make into it."""
        before, self._known, self.made = self._known, {}, 0
        by_hand = {*tree.deployments, *tree.broken_deployments}
        environments = tuple(sorted({key.partition("/")[0] for key in by_hand}))
        makers: dict[str, list[tuple[Source[kinds.ModelDeploymentSet], Outcome]]] = defaultdict(
            list
        )
        for path, source in sorted(tree.sets.items()):
            known = self._of(tree, source, environments, before.get(path))
            self._known[path] = known
            tree.problems.extend(known.problems)
            for outcome in known.outcomes:
                makers[outcome.key].append((source, outcome))
        for key, found in sorted(makers.items()):
            _place(tree, key, found, is_by_hand=key in by_hand)

    def _of(
        self,
        tree: Tree,
        source: Source[kinds.ModelDeploymentSet],
        environments: tuple[str, ...],
        known: _Known | None,
    ) -> _Known:
        generators = source.kind.spec.generators
        looked: list[object] = []
        if elements.looks_at_hosts(generators):
            looked += [*tree.hosts.items(), frozenset(tree.broken_hosts)]
        if elements.looks_at_environments(generators):
            looked.append(environments)
        if known is not None and known.source is source and known.looked == tuple(looked):
            return known
        hosts = {name: host.kind for name, host in tree.hosts.items()}
        listed, problems = _elements(tree, source, Around(hosts, environments))
        kept = known.by_element if known is not None and known.source is source else {}
        found = self._outcomes(source, listed, kept)
        outcomes = _marked([found[element.key] for element in listed])
        return _Known(source, tuple(looked), outcomes, found, problems)

    def _outcomes(
        self,
        source: Source[kinds.ModelDeploymentSet],
        listed: Sequence[Element],
        kept: dict[str, Outcome],
    ) -> dict[str, Outcome]:
        words = source.document
        if not isinstance(words, Words) or not listed:
            return {}
        document = documents.read(words.path, words.data)
        if isinstance(document, Problem):
            return {}
        found: dict[str, Outcome] = {}
        for element in listed:
            known = kept.get(element.key) or found.get(element.key)
            if known is None:
                known = making.make(words, document, source.kind, element)
                self.made += 1
            found[element.key] = known
        return found


def _marked(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Which of them have their version from the same place as others. How many these are is not
    told: one that comes must not change all others."""
    sharers = Counter(one.origin for one in outcomes)
    return tuple(
        replace(one, origin=replace(one.origin, is_shared=True))
        if one.origin is not None and sharers[one.origin] > 1
        else one
        for one in outcomes
    )


def _elements(
    tree: Tree, source: Source[kinds.ModelDeploymentSet], around: Around
) -> tuple[list[Element], tuple[Problem, ...]]:
    """Its elements; none where one of its generators is wrong, and all that it made is kept."""
    spec, document = source.kind.spec, source.document
    if tree.broken_hosts and elements.looks_at_hosts(spec.generators):
        broken = min(tree.broken_hosts)
        said = f"spec.generators: models.d/hosts/{broken}.yaml is wrong, so its labels are unknown"
        fix = "mend that file; until then nothing that this set makes is removed"
        problems: tuple[Problem, ...] = (document.problem(_GENERATORS, said, fix=fix),)
    else:
        problems = ()
    found: list[Element] = []
    for index, generator in enumerate(spec.generators):
        try:
            found += elements.of(generator, around)
        except InvalidInput as error:
            said = f"spec.generators.{index}: {error.detail}"
            wrong = document.problem((*_GENERATORS, index), said, fix=error.fix)
            return [], (*problems, wrong)
    if len(found) > elements.MOST:
        said = f"spec.generators: a set makes at most {elements.MOST} deployments"
        return [], (*problems, document.problem(_GENERATORS, said, fix="split it"))
    if not found and not spec.allow_empty and not problems:
        said = "spec.generators: nothing comes of them, and all that this set made would go"
        fix = "mend labels or names; or write allowEmpty: true where that is meant"
        return [], (document.problem(_GENERATORS, said, fix=fix),)
    return found, problems


def _place(
    tree: Tree,
    key: str,
    found: list[tuple[Source[kinds.ModelDeploymentSet], Outcome]],
    *,
    is_by_hand: bool,
) -> None:
    problems = [problem for _, outcome in found for problem in outcome.problems]
    if is_by_hand:
        problems += [_taken(source, key) for source, outcome in found if outcome.source]
    elif key and len(found) > 1:
        rightful = [one for one in found if _owns(tree, one[0], key)]
        if len(rightful) == 1 != len(found):
            others = [one for one in found if one is not rightful[0]]
            tree.problems.extend(_twice(source, key, outcome) for source, outcome in others)
            _place(tree, key, rightful, is_by_hand=False)
            return
        problems += [_twice(source, key, outcome) for source, outcome in found]
    tree.problems.extend(problems)
    if is_by_hand or not key:
        return
    outcome = found[0][1]
    if problems or outcome.source is None:
        tree.broken_deployments[key] = problems
    else:
        tree.deployments[key] = outcome.source
        tree.origins[key] = outcome.origin


def _owns(tree: Tree, source: Source[kinds.ModelDeploymentSet], key: str) -> bool:
    """Whether a file of this name would be one of the set's project."""
    project = tree.projects.get(source.kind.metadata.project)
    return project is not None and globs.any_fits(project.kind.spec.files, f"models.d/{key}.yaml")


def _taken(source: Source[kinds.ModelDeploymentSet], key: str) -> Problem:
    said = f"spec.template.metadata.name: {key} has a file of its own, which goes on"
    fix = f"remove models.d/{key}.yaml, or have the set make another name"
    return source.document.problem(("spec", "template", "metadata", "name"), said, fix=fix)


def _twice(source: Source[kinds.ModelDeploymentSet], key: str, outcome: Outcome) -> Problem:
    element = "" if outcome.source is None else f" ({_element(outcome)})"
    said = f"spec.template.metadata.name: {key} is made more than once{element}"
    fix = "put a parameter into the name in which the elements differ, such as {{host}}"
    return source.document.problem(("spec", "template", "metadata", "name"), said, fix=fix)


def _element(outcome: Outcome) -> str:
    made = None if outcome.source is None else outcome.source.document
    return "" if made is None or isinstance(made, Words) else f"for the element {made.element}"
