"""Leases on hosts, and what is remembered of rollouts, for reconcilers that share their work."""

from fastapi import Response

from registry.api import wire_steering as wire
from registry.api.access import Known, Opened, guarded
from registry.usecases import steering

router = guarded("reconcilers")


@router.post("/v1/host-leases", summary="Take or renew the leases on hosts")
def renew(registry: Opened, wanted: wire.WantedLeases) -> wire.Leases:
    """One call for all of them; `seconds` count from now. A lease that ended goes to whoever asks
    first, under the next epoch."""
    granted = steering.renew(
        registry, holder=wanted.holder, hosts=wanted.hosts, seconds=wanted.seconds
    )
    return wire.Leases(
        held=dict(granted.held),
        refused=dict(granted.refused),
        reconcilers=list(granted.reconcilers),
    )


@router.post("/v1/host-leases/release", status_code=204, summary="Let go of all leases")
def release(registry: Opened, ended: wire.NewRelease) -> Response:
    steering.release(registry, holder=ended.holder)
    return Response(status_code=204)


@router.get("/v1/rollouts", summary="What reconcilers remember of rollouts")
def rollouts(registry: Opened) -> wire.RememberedRollouts:
    return wire.RememberedRollouts(rollouts=dict(steering.rollouts(registry)))


@router.post("/v1/rollouts", status_code=204, summary="Keep what a reconciler remembers")
def remember(registry: Opened, caller: Known, changed: wire.ChangedRollouts) -> Response:
    """All or none; 409 unless every host that is spoken of is the holder's."""
    found = {key: _changed(one) for key, one in changed.rollouts.items()}
    steering.remember(registry, found, holder=changed.holder, by=caller)
    return Response(status_code=204)


def _changed(one: wire.RolloutChange) -> steering.Changed:
    fleet = None if one.fleet is None else (one.fleet.document, one.fleet.targets)
    return steering.Changed(one.hosts, fleet)
