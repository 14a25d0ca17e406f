"""Whether a test that passed before would find the same again. Pure.

A result holds for the very same bytes, template, golden data, runtime image and, where something
is compared with it, serving version; a budget of time or memory holds on its own host alone. Tests
whose other side may have changed meanwhile, another deployment or somebody's container, are run
anew, and so is what failed: somebody may have mended more than we know of.
"""

from collections.abc import Iterable

from reconciler.core.kinds.template import AcceptanceSpec
from reconciler.core.observed import InstanceSpec
from reconciler.core.scoring import judging
from registry.core import canonical, digest, evidence
from registry.core.canonical import Json
from registry.core.evidence import Kind, Verified

RAN = "ran"


def ran(spec: AcceptanceSpec, candidate: InstanceSpec, serving: str) -> dict[str, Json]:
    """What a result of this test depends on, beside the digest of the candidate; `serving` is
    that of who serves, or empty. It becomes part of the evidence."""
    is_compared = (
        judging.compares(spec) or spec.parity is not None or spec.tensor_schema is not None
    )
    is_of_host = any((spec.latency, spec.memory, spec.metrics.latency))
    said = spec.model_dump(mode="json", by_alias=True)
    return {
        "template": digest.of(canonical.encode(said)),
        "image": candidate.image,
        "settings": digest.of(candidate.settings.encode()),
        "serving": serving if is_compared else "",
        "host": candidate.host if is_of_host else "",
        "resources": f"{candidate.memory_bytes} {candidate.cpus}" if is_of_host else "",
    }


def is_lasting(spec: AcceptanceSpec) -> bool:
    """Whether nothing but what `ran` says decides what the test finds."""
    is_of_others = spec.parity is not None and spec.parity.other != "serving"
    return spec.container is None and not is_of_others


def passed(name: str, wanted: dict[str, Json], known: Iterable[Verified]) -> Verified | None:
    """The newest of `known` that says that the template `name` passed just so."""
    found = [
        one
        for one in known
        if one.kind is Kind.TEST_RESULT
        and name in _listed(one, "passedTests")
        and metrics(one, name).get(RAN) == wanted
    ]
    return max(found, key=lambda one: one.log_index, default=None)


def metrics(one: Verified, name: str) -> dict[str, Json]:
    """What was measured then."""
    all_of_it = one.detail.get(evidence.METRICS)
    found = all_of_it.get(name) if isinstance(all_of_it, dict) else None
    return found if isinstance(found, dict) else {}


def _listed(one: Verified, field: str) -> list[Json]:
    found = one.detail.get(field)
    return found if isinstance(found, list) else []
