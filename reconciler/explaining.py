"""How each policy judges one deployment of a checkout, by what verifies of its version now.

For a person who writes a policy: decides nothing, writes nothing into the log.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from reconciler import client, config, judging, state
from reconciler.core import desired, holding
from reconciler.core.rollout import NO_ROLLOUT
from registry import errors
from registry.core import envelope, policy, trustchain
from registry.core.envelope import Refused, Wanted
from registry.core.policy import Decision, Request


@dataclass(frozen=True, slots=True)
class Explained:
    """One area's decision, and a line for each expression that had a say in it."""

    area: policy.Area
    decision: Decision
    lines: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is denied; none where it is allowed."""
        match self.decision:
            case policy.Allowed():
                return ()
            case policy.Denied() as denied:
                return denied.reasons


def explain(
    settings: config.Config, found: desired.DesiredState, key: str
) -> tuple[Explained, ...]:
    """Planning's and deployment's view of `environment/name`; raises NotFound, IntegrityError."""
    deployment = found.deployments.get(key)
    if deployment is None:
        raise errors.NotFound(
            f"there is no good deployment {key}",
            fix=f"one of {', '.join(sorted(found.deployments)) or 'none'}; see plimsoll validate",
        )
    known = state.peek(settings.state).get(key, NO_ROLLOUT)
    pin = deployment.manifest.spec.model
    wanted = Wanted(pin.name, pin.version, pin.digest)
    trust = trustchain.read(settings.trust_file.read_bytes())
    with closing(
        client.Registry(settings.registry, settings.token_file, settings.registry_ca)
    ) as registry:
        document, sent = registry.version(wanted), registry.envelope(wanted)
    verified = envelope.verify(sent, trust, wanted)
    if isinstance(verified, Refused):
        raise errors.IntegrityError(
            f"{pin.name}@{pin.version} is refused ({verified.code}): {verified.reason}",
            fix="no policy is asked about a version that does not verify",
        )
    asked = (
        holding.request(deployment, known, time.time()),
        judging.request(deployment, known, document, verified, signed=found.provenance),
    )
    return tuple(
        Explained(one.area, policy.decide(found.policies, one), tuple(_lines(found.policies, one)))
        for one in asked
    )


def _lines(policies: policy.PolicySet, asked: Request) -> Iterator[str]:
    for rule in policies.rules:
        if not policy.covers(rule, asked):
            continue
        for seen in policy.evaluate(rule, asked):
            word = {True: "true", False: "false", None: "error"}[seen.result]
            expression = " ".join(rule.policy.spec.validations[seen.index].expression.split())
            trouble = f" ({seen.error})" if seen.error else ""
            yield f"{word:<5} {rule.policy.spec.mode:<7} {rule.name}: {expression}{trouble}"
