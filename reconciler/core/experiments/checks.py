"""Experiments against all other files: is there what they name, and can its hosts share users?"""

from collections.abc import Collection, Iterator, Mapping

from reconciler.core import kinds, masters, substitution
from reconciler.core.abilities import ABLE, Ability, kind_of
from reconciler.core.kinds.experiment import Experiment, Observed, Totals
from reconciler.core.kinds.providers import Http
from reconciler.core.sources import Source
from registry.core import documents
from registry.core.documents import Path, Problem
from registry.errors import InvalidInput

GIVEN_ARGS = ("model", "environment", "deployment", "experiment", "began", "variant", "version")
_SAMPLE = dict.fromkeys(GIVEN_ARGS, "name-1")


def problems(
    source: Source[Experiment], hosts: Mapping[str, kinds.Host] | None, known: Collection[str]
) -> Iterator[Problem]:
    """What is wrong with an experiment whose deployment has these `hosts`; None where that is not
    among the good ones, which are `known`."""
    spec, document = source.kind.spec, source.document
    at: Path = ("spec", "deployment")
    yield from _questions(source)
    if hosts is None:
        message = f"spec.deployment: there is no good deployment {spec.deployment!r}"
        fix = f"mend or add models.d/{spec.deployment}.yaml"
        if known:
            fix += f"; {documents.did_you_mean(spec.deployment, sorted(known))}"
        yield document.problem(at, message, fix=fix)
        return
    own = sorted(name for name, host in hosts.items() if masters.is_own(host))
    if own:
        message = f"spec.deployment: {own[0]} has an agent of its own, and nobody sees all users"
        yield document.problem(at, message, fix="use hosts that the reconciler looks after itself")
    yield from _unable(source, hosts)


def second(source: Source[Experiment], first: str) -> Iterator[Problem]:
    """A deployment has one experiment at a time: the `first` by name."""
    if first != source.kind.metadata.name:
        about = source.kind.spec.deployment
        message = f"spec.deployment: the experiment {first} is about {about} too"
        fix = "let one of them end before the other begins"
        yield source.document.problem(("spec", "deployment"), message, fix=fix)


def _unable(source: Source[Experiment], hosts: Mapping[str, kinds.Host]) -> Iterator[Problem]:
    by_cookie = source.kind.spec.unit.cookie is not None
    needed = {Ability.WEIGHT, Ability.STICKY_COOKIE if by_cookie else Ability.STICKY_HEADER}
    for name, host in sorted(hosts.items()):
        for ability in sorted(needed - ABLE[kind_of(host)]):
            message = f"spec.unit: the host {name} cannot {ability}"
            fix = "see docs/ingress.md for what can, or use unit: {cookie: experiment}"
            yield source.document.problem(("spec", "unit"), message, fix=fix)
            return


def _questions(source: Source[Experiment]) -> Iterator[Problem]:
    """Whether everything can be asked."""
    spec = source.kind.spec
    places: list[tuple[Path, Observed]] = [(("spec", "metric", "source"), spec.metric)]
    places += [
        (("spec", "guardrails", index, "source"), guard)
        for index, guard in enumerate(spec.guardrails)
    ]
    for at, metric in places:
        try:
            _fill(metric)
        except InvalidInput as error:
            name = ".".join(map(str, at))
            fix = f"the arguments are {', '.join(GIVEN_ARGS)}"
            yield source.document.problem(at, f"{name}: {error.detail}", fix=fix)


def _fill(metric: Observed) -> None:
    match metric.source.one:
        case Totals() as asked:
            for query in (asked.count, asked.sum, asked.squares or ""):
                substitution.into_query(query, _SAMPLE)
        case Http() as asked:
            substitution.into_url(asked.url, _SAMPLE)
            substitution.into_json(asked.body, _SAMPLE)
        case _:
            return
