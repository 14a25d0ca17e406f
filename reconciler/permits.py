"""Issues permits: what preflight decided for a host, signed, for the instance to show its runtime.

A permit says when the decision fell and under which policies. One that is issued again for a
last known good repeats that decision, with a new serial and a new end: no policy is asked anew
to bring back what served.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from reconciler import signing, state
from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import PreflightResult, Verdict
from registry import errors
from registry.core import canonical, dsse, permit
from registry.core.envelope import Wanted
from registry.core.trustroot import TrustRoot


@dataclass(frozen=True, slots=True)
class Issued:
    """A permit as JSON text, and the serial by which the log names it."""

    text: str
    serial: str


class Permits:
    """One per reconciler. `valid_s` is how long a permit lets a host begin; 0 means for ever."""

    def __init__(
        self,
        key: signing.Key,
        folder: state.StateFolder,
        *,
        trust: Callable[[], TrustRoot],
        valid_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._key = key
        self._folder = folder
        self._trust = trust
        self._valid_s = valid_s
        self._clock = clock

    def obstacle(self, host: str) -> str:
        """Why `host` would not believe us; empty where nothing stands in our way."""
        trust = self._trust()
        listed = {signer.hint for signer in permit.signers(trust, host)}
        if not permit.is_asked_for(trust) or self._key.signer("").hint in listed:
            return ""
        return (
            f"the trust root says whose permits count, and ours would be refused on {host}; add "
            "what `plimsoll permit key` prints to the registry's reconcilers.json, or agents.json"
        )

    def issue(self, spec: InstanceSpec, preflight: PreflightResult | None) -> Issued:
        """A permit for `spec`, by `preflight` if it passed, else by the decision on file."""
        claim = permit.Claim(
            spec.host, spec.deployment, Wanted(spec.model, spec.version, spec.digest)
        )
        now = datetime.fromtimestamp(self._clock(), UTC)
        decision = self._decision(spec, claim, preflight, now)
        expires = permit.stamp(now + timedelta(seconds=self._valid_s)) if self._valid_s else ""
        made = replace(decision, expires=expires, serial=str(uuid.uuid4()))
        text = canonical.encode(self._key.sign(permit.encode(made)))
        self._folder.save_permit(spec.name, text)
        return Issued(text.decode(), made.serial)

    def forget(self, instance: str) -> None:
        """The instance is gone, and its permit with it."""
        self._folder.drop_permit(instance)

    def _decision(
        self,
        spec: InstanceSpec,
        claim: permit.Claim,
        preflight: PreflightResult | None,
        now: datetime,
    ) -> permit.Permit:
        if _has_passed(preflight, spec):
            at = permit.stamp(datetime.fromtimestamp(preflight.at, UTC))
            return permit.Permit(claim, spec.commit, preflight.policies, at, "", "")
        before = self._on_file(spec)
        if before is not None and before.claim == claim:
            return before
        # It served before this reconciler made permits: there is no decision to name.
        return permit.Permit(claim, spec.commit, "", permit.stamp(now), "", "")

    def _on_file(self, spec: InstanceSpec) -> permit.Permit | None:
        text = self._folder.permit(spec.name)
        if text is None:
            return None
        try:
            return permit.claimed(text)
        except (errors.InvalidInput, errors.IntegrityError):
            return None  # its place is taken by a new one


def _has_passed(
    preflight: PreflightResult | None, spec: InstanceSpec
) -> TypeGuard[PreflightResult]:
    return (
        preflight is not None
        and preflight.spec_hash == spec.spec_hash
        and preflight.verdict is Verdict.PASSED
    )


def entry(signer: dsse.Signer) -> dict[str, str]:
    """What reconcilers.json lists."""
    return {"name": signer.name, "publicKey": dsse.pem(signer.key).decode()}
