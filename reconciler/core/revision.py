"""What makes two wishes for a deployment the same: quarantine is by it. Pure."""

from collections.abc import Mapping

from reconciler.core import kinds
from registry.core import canonical, digest
from registry.core.canonical import Json


def of(
    manifest: kinds.ModelDeployment,
    templates: tuple[kinds.AcceptanceTemplate, ...],
    sealed: Mapping[str, str],
) -> str:
    """The digest of what a rollout of `manifest`, tested by `templates`, is about; `sealed` are the
    fingerprints of its secrets."""
    spec = manifest.model_dump(mode="json", by_alias=True)["spec"]
    asked = {name: spec[name] for name in ("model", "runtime", "progressDeadlineSeconds")}
    # What it follows says nothing of what serves.
    asked["model"] = {name: spec["model"][name] for name in ("name", "version", "digest")}
    # A field that a later release brought changes nothing where it is left out.
    asked["runtime"] = {
        name: said for name, said in spec["runtime"].items() if said not in ([], None)
    }
    if sealed:
        asked["secrets"] = dict(sealed)
    tests = [_test(template) for template in templates]
    return digest.of(canonical.encode({**asked, "acceptance": tests}))


def _test(template: kinds.AcceptanceTemplate) -> dict[str, Json]:
    """Without what it does not ask: fields that a later release brought."""
    spec = template.model_dump(mode="json", by_alias=True)["spec"]
    later = template.spec.unasked
    return {name: said for name, said in spec.items() if name not in later}
