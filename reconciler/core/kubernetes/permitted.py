"""Which permit the pods of a version are handed, and whether they would get through with it. Pure.

A permit is no secret: it is of use to nobody but who serves that digest, for that deployment, under
that name. So it is where it is on a Docker host, in the runtime's file.
"""

from dataclasses import dataclass
from datetime import datetime

from reconciler.core.observed import InstanceSpec
from registry.core import canonical, permit
from registry.core.envelope import Wanted
from registry.core.trustroot import TrustRoot
from registry.errors import PermitMissing, PermitRefused


@dataclass(frozen=True, slots=True)
class Shown:
    """Permits as JSON text at the time `now`. With the trust root that pods are handed, one that
    they would refuse, or would miss, is refused here."""

    texts: tuple[str, ...]
    trust: TrustRoot | None
    now: datetime


def host(shown: Shown | None) -> str:
    """Whom the first permit is for; empty without one. Raises `InvalidInput`."""
    if shown is None or not shown.texts:
        return ""
    return permit.claimed(shown.texts[0]).claim.host


def chosen(spec: InstanceSpec, shown: Shown | None) -> str:
    """The permit for `spec`; empty where none is there and none is asked for.

    Raises `PermitMissing`, `PermitRefused`, `PermitExpired`, `SignatureInvalid`, `InvalidInput`.
    """
    if shown is None:
        return ""
    claim = permit.Claim(spec.host, spec.deployment, Wanted(spec.model, spec.version, spec.digest))
    said = {text: permit.claimed(text) for text in shown.texts}
    found = [text for text, one in said.items() if one.claim.wanted.digest == spec.digest]
    if not found:
        return _without(claim, shown)
    permit.require(said[found[0]], claim)
    permit.require_current(said[found[0]], shown.now)
    if shown.trust is not None:
        bundle = canonical.decode_object(found[0].encode(), what="permit")
        permit.verify(bundle, permit.signers(shown.trust, spec.host))
    return found[0]


def _without(claim: permit.Claim, shown: Shown) -> str:
    wanted = claim.wanted
    fix = f"plimsoll permit issue {claim.deployment} --host {claim.host} > permit.json"
    if shown.texts:
        raise PermitRefused(
            f"no --permit is for {wanted.model}@{wanted.version} ({wanted.digest})", fix=fix
        )
    if shown.trust is not None and permit.is_asked_for(shown.trust):
        raise PermitMissing(
            f"the trust root asks for permits, and none is there for "
            f"{wanted.model}@{wanted.version} on {claim.host}",
            fix=f"{fix}; then --permit permit.json",
        )
    return ""
