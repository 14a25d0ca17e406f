"""Which of a model's versions clients see, and under which labels, as an engineer declares it.

A label may be declared before its version is loaded; it takes effect when that is ready.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.core import fields, names
from registry.core.canonical import Json
from registry.errors import InvalidInput

_FIELDS = frozenset({"versions", "labels"})
_FIX = (
    'write "active", "all", {"latest": 2} or {"specific": [7, 8]}; '
    "a number is that of a version, or above zero"
)


@dataclass(frozen=True, slots=True)
class Active:
    """Only the active version and those with a label; whatever else is loaded is a candidate."""


@dataclass(frozen=True, slots=True)
class All:
    """Every version that is loaded."""


@dataclass(frozen=True, slots=True)
class Latest:
    """The `count` highest numbers among those that are ready; a lower one is unloaded."""

    count: int


@dataclass(frozen=True, slots=True)
class Specific:
    """These numbers."""

    versions: frozenset[int]


Versions = Active | All | Latest | Specific


@dataclass(frozen=True, slots=True)
class Policy:
    """One model's. `labels` has the version that each label shall lead to."""

    versions: Versions = Active()
    labels: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Json]:
        """What `parse` reads."""
        return {"versions": _versions_document(self.versions), "labels": dict(self.labels)}


def parse(item: dict[str, Json], *, what: str) -> Policy:
    """One model's policy; raises `InvalidInput`."""
    fields.refuse_unknown(item, _FIELDS, what=what)
    labels = fields.mapping(item, "labels", what=what) if "labels" in item else {}
    try:
        found = {names.alias(label): names.version(labels[label]) for label in labels}
    except InvalidInput as error:
        raise InvalidInput(f"{what}: labels: {error.detail}", fix=error.fix) from error
    return Policy(_versions(item.get("versions", "active"), what), found)


def policies(document: dict[str, Json], *, what: str) -> dict[str, Policy]:
    """The field `policies` of the runtime's file, by model; it may be left out, or null."""
    if document.get("policies") is None:
        return {}
    given, where = fields.mapping(document, "policies", what=what), f"{what}: policies"
    return {
        names.slug(model, what=f"{where}: model name"): parse(
            fields.mapping(given, model, what=where), what=f"{where}.{model}"
        )
        for model in given
    }


def document(found: Mapping[str, Policy]) -> dict[str, Json]:
    """What `policies` reads."""
    return {model: one.document() for model, one in found.items()}


def loaded(policy: Policy, versions: frozenset[int], active: int | None) -> frozenset[int]:
    """Which of the pinned versions are brought up at a start.

    Under `Active` and `All` that is each of them: a candidate has to be up to be tested.
    """
    kept = versions & {*policy.labels.values(), *([] if active is None else [active])}
    match policy.versions:
        case Active() | All():
            return versions
        case Latest(count):
            return kept | frozenset(sorted(versions)[-count:])
        case Specific(wanted):
            return kept | (versions & wanted)


def _versions(given: Json, what: str) -> Versions:
    match given:
        case "active":
            return Active()
        case "all":
            return All()
        case {"latest": int(count), **rest} if not rest and count > 0 and count is not True:
            return Latest(count)
        case {"specific": [_, *_] as versions, **rest} if not rest:
            try:
                return Specific(frozenset(names.version(one) for one in versions))
            except InvalidInput as error:
                raise InvalidInput(f"{what}: versions: {error.detail}", fix=_FIX) from error
    raise InvalidInput(f"{what}: 'versions' is {str(given)[:80]}", fix=_FIX)


def _versions_document(versions: Versions) -> Json:
    match versions:
        case Active():
            return "active"
        case All():
            return "all"
        case Latest(count):
            return {"latest": count}
        case Specific(wanted):
            return {"specific": [*sorted(wanted)]}
