"""Permits for hosts that no reconciler starts anything on: pods of a cluster, say.

The decision is the one of a preflight, by the same code, on the newest commit; what holds rollouts
back before they begin counts too, but for a permit that renews one. It works beside a running
reconciler: on copies of whom that believes, and of how far it has seen the log.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler import (
    anchor,
    client,
    config,
    journal,
    judging,
    permits,
    reading,
    service,
    signing,
    state,
    witness,
)
from reconciler.core import desired, edit, permitting
from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import NO_ROLLOUT, PreflightResult, Rollouts, Verdict
from registry import errors
from registry.core import canonical, names, permit
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.core.trustroot import TrustRoot

_SEEN = ("checkpoint", "trust.json")


@dataclass(frozen=True, slots=True)
class Asked:
    """A permit for `deployment` (`environment/name`) on `host`, good for `valid_s` seconds.

    `renews` is an earlier one as JSON text: then it is for the version that it names."""

    deployment: str
    host: str
    valid_s: float
    renews: str = ""


def issue(settings: config.Config, asked: Asked) -> permits.Issued:
    """Decide, write it into the log, and only then hand the permit out.

    Raises `PolicyDenied` with what speaks against it, `NotFound`, `InvalidInput`, `CommitRefused`,
    and `Unavailable` and the like where the registry or Git does not answer.
    """
    _require_ours(settings, asked)
    key, now = _key(settings.state), time.time()
    with TemporaryDirectory() as scratch, ExitStack() as stack:
        memory = stack.enter_context(_beside(settings.state, Path(scratch) / "state"))
        repository = service.repository_in(settings, Path(scratch))
        wanted = service.newest(settings, repository)
        followed = anchor.Anchor(settings.trust_file, memory)
        registry = stack.enter_context(closing(_registry(settings)))
        archive = service.archive(settings, repository, followed)
        seen = witness.Witness(registry, memory, followed.root, archive)
        written = journal.Journal(registry, memory, seen)
        rollouts = state.peek(settings.state)
        judge = judging.Judge(
            registry, written, seen, reading.Reading(registry), followed.root, lambda: rollouts
        )
        issuer = permits.Permits(
            key, memory, trust=followed.root, valid_s=asked.valid_s, clock=lambda: now
        )
        return _Issue(asked, wanted, rollouts, judge, issuer, followed.root(), now).issued()


@dataclass(frozen=True, slots=True)
class _Issue:
    """One decision, at the time `now`, and what it takes."""

    asked: Asked
    wanted: desired.DesiredState
    rollouts: Rollouts
    judge: judging.Judge
    issuer: permits.Permits
    trust: TrustRoot
    now: float

    def issued(self) -> permits.Issued:
        deployment = self._deployment()
        spec = deployment.spec_on(self.asked.host, self.wanted.commit)
        former = self._renewed()
        if former is not None:
            there = former.claim.wanted
            spec = edit.respecified(spec, there.version, there.digest)
            deployment = deployment.asking_for(spec)
        self._require_allowed(deployment, spec, former)
        policies = self.wanted.policies.digest
        decided = PreflightResult(spec.spec_hash, policies, Verdict.PASSED, (), self.now)
        made = self.issuer.issue(spec, decided)
        self.judge.journal.require(Kind.PERMITTED, _told(spec, made, former))
        return made

    def _deployment(self) -> desired.Deployment:
        found, key = self.wanted.deployments.get(self.asked.deployment), self.asked.deployment
        if found is None:
            if held := self.wanted.held.get(key):
                raise held[0].error()
            raise errors.NotFound(
                f"{self.wanted.commit[:12]} has no deployment {key[:200]!r}",
                fix=f"one of {', '.join(sorted(self.wanted.deployments)) or 'none'}",
            )
        if self.asked.host in self.wanted.hosts:
            raise errors.InvalidInput(
                f"{self.asked.host} is a Host in Git: whoever looks after it permits each start",
                fix="name what no reconciler starts anything on, a cluster say, as its pods do",
            )
        return found

    def _renewed(self) -> permit.Permit | None:
        """The permit to renew, verified; raises `PermitRefused`, `PermitExpired`, ..."""
        if not self.asked.renews:
            return None
        bundle = canonical.decode_object(self.asked.renews.encode(), what="permit")
        said = permit.verify(bundle, permit.signers(self.trust, self.asked.host)).permit
        mine = permit.Claim(self.asked.host, self.asked.deployment, said.claim.wanted)
        permit.require(said, mine)
        permit.require_current(said, datetime.fromtimestamp(self.now, UTC))
        return said

    def _require_allowed(
        self,
        deployment: desired.Deployment,
        spec: InstanceSpec,
        former: permit.Permit | None,
    ) -> None:
        known = self.rollouts.get(spec.deployment, NO_ROLLOUT)
        against = permitting.quarantined(deployment, known)
        if former is None:
            against += permitting.held_back(deployment, known, self.wanted.policies, self.now)
        if obstacle := self.issuer.obstacle(spec.host):
            against += (obstacle,)
        if not against:
            there = {**self.wanted.deployments, spec.deployment: deployment}
            against = self.judge.refusals(spec, replace(self.wanted, deployments=there))
        if against:
            what = f"{spec.model}@{spec.version} is not permitted on {spec.host}"
            raise errors.PolicyDenied(
                f"{what}: {'; '.join(against)}",
                fix=f"see: plimsoll policy explain {spec.deployment}",
            )


def _told(
    spec: InstanceSpec, made: permits.Issued, former: permit.Permit | None
) -> dict[str, Json]:
    expires = permit.claimed(made.text).expires
    detail: dict[str, Json] = {"permit": made.serial, "expires": expires}
    if former is not None:
        detail["renews"] = former.serial
    reason = f"a permit for {spec.host}, which no reconciler looks after, until {expires}"
    return journal.about(spec, reason, detail)


def _require_ours(settings: config.Config, asked: Asked) -> None:
    names.host(asked.host)
    if settings.agent is not None:
        raise errors.InvalidInput(
            f"an agent permits its own host alone, {settings.agent.host}, at each start",
            fix="ask with the configuration of a reconciler",
        )


def _registry(settings: config.Config) -> client.Registry:
    return client.Registry(settings.registry, settings.token_file, settings.registry_ca)


def _key(folder: Path) -> signing.Key:
    """What signs; never made here, since nobody would believe it yet."""
    found = signing.peek(folder)
    if found is None:
        raise errors.NotFound(
            f"{folder} has no key to sign permits with",
            fix="plimsoll permit key makes one; list it in the registry's reconcilers.json, or "
            "under the cluster's name in agents.json",
        )
    return found


@contextmanager
def _beside(folder: Path, scratch: Path) -> Iterator[state.StateFolder]:
    """A state folder that goes on from where `folder` is. Where nobody else uses that one, it
    is left having seen the log as far as we have."""
    scratch.mkdir()
    for name in _SEEN:
        with suppress(FileNotFoundError):
            (scratch / name).write_bytes((folder / name).read_bytes())
    with closing(state.StateFolder(scratch)) as memory:
        before = memory.checkpoint()
        yield memory
        with suppress(errors.Conflict), closing(state.StateFolder(folder)) as own:
            if own.checkpoint() == before:
                own.save_checkpoint(memory.checkpoint() or "")
                own.save_trust(memory.trust())
