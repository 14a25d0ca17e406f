"""Policy files to rules that are ready to run; a file says what is wrong with it, and where."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from registry.core import documents, reading
from registry.core.documents import Document, Path, Problem
from registry.core.policy import expressions
from registry.core.policy.areas import VARIABLES, Area
from registry.core.policy.kinds import Policy, PolicyTest
from registry.core.policy.rules import PolicySet, Rule

FOLDER = "policies"
_KINDS: dict[str, type[Policy | PolicyTest]] = {"Policy": Policy, "PolicyTest": PolicyTest}
_PATH = re.compile(rf"{FOLDER}/(?P<area>[^/]+)/[^/]+\.yaml")
_LAYOUT = f"put it in {FOLDER}/<area>/<name>.yaml; the areas are {', '.join(Area)}"


@dataclass(frozen=True, slots=True)
class Found:
    """All that a folder of policies holds."""

    policies: PolicySet
    tests: Mapping[str, PolicyTest] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def read(files: Mapping[str, bytes]) -> Found:
    """Every YAML file among `files`, paths from the folder that holds `policies/`.

    Never raises for a bad file: it is in `problems`, and a policy among them in `broken`.
    """
    rules: list[Rule] = []
    tests: dict[str, PolicyTest] = {}
    problems: list[Problem] = []
    broken: list[Problem] = []
    for path in sorted(files):
        if not path.endswith((".yaml", ".yml")):
            continue
        match read_file(path, files[path]):
            case Rule() as rule:
                rules.append(rule)
            case PolicyTest() as test:
                tests[path] = test
            case bad:
                problems += bad
                broken += [] if is_test(path) else bad[:1]
    return Found(PolicySet(tuple(rules), tuple(broken)), tests, tuple(problems))


@functools.lru_cache(maxsize=1024)
def read_file(path: str, data: bytes) -> Rule | PolicyTest | tuple[Problem, ...]:
    """One file; remembered, since compiling costs more than deciding."""
    document = documents.read(path, data)
    if isinstance(document, Problem):
        return (document,)
    kind = reading.read(document, _KINDS)
    match kind:
        case Policy():
            return rule(document, kind)
        case PolicyTest():
            return tuple(test_problems(document, kind)) or kind
        case problems:
            return problems


def is_test(path: str) -> bool:
    """Whether a file at `path` can only be a test: nothing hangs on one that cannot be read."""
    return path.endswith("_test.yaml")


def rule(document: Document, policy: Policy) -> Rule | tuple[Problem, ...]:
    """`policy` compiled for the area it stands in, or what is wrong with it."""
    area = _area(document, policy.metadata.name)
    if isinstance(area, Problem):
        return (area,)
    problems = list(_match_problems(document, area, policy))
    program = expressions.compiled(area, policy.spec)
    if isinstance(program, tuple):
        problems += [document.problem(bad.at, bad.message, fix=bad.fix) for bad in program]
    elif not problems:
        return Rule(document.path, area, policy, program)
    return tuple(problems)


def test_problems(document: Document, test: PolicyTest) -> Iterator[Problem]:
    """Where the test does not stand beside its policy, or gives what no policy there can see."""
    area = _area(document, f"{test.spec.policy}_test")
    if isinstance(area, Problem):
        yield area
        return
    given: list[tuple[Path, Mapping[str, object]]] = [(("spec", "base"), test.spec.base)]
    given += [
        (("spec", "cases", number, "input"), case.input)
        for number, case in enumerate(test.spec.cases)
    ]
    known = list(VARIABLES[area])
    for at, values in given:
        for name in values.keys() - set(known):
            where = ".".join(str(part) for part in (*at, name))
            message = f"{where}: the area {area} has no such variable"
            fix = documents.did_you_mean(name, known)
            yield document.problem((*at, name), message, fix=fix, key=True)


def _area(document: Document, name: str) -> Area | Problem:
    """The area that the path names, if the file is called as it must be."""
    path = document.path
    if problem := reading.misnamed(document, f"{path.rpartition('/')[0]}/{name}.yaml"):
        return problem
    found = _PATH.fullmatch(path)
    if found is None:
        return document.problem((), "the file does not belong here", fix=_LAYOUT)
    if found["area"] not in set(Area):
        message = f"there is no area {found['area']!r}"
        fix = documents.did_you_mean(found["area"], [str(area) for area in Area])
        return document.problem((), message, fix=fix)
    return Area(found["area"])


def _match_problems(document: Document, area: Area, policy: Policy) -> Iterator[Problem]:
    if "deployment" in VARIABLES[area]:
        return
    for name in ("environments", "labels"):
        if getattr(policy.spec.match, name) is not None:
            message = f"spec.match.{name}: in the area {area} there is no deployment yet"
            fix = "match models, or move the policy to policies/deploy/"
            yield document.problem(("spec", "match", name), message, fix=fix, key=True)
