"""What the lived-in registry's log tells: rollouts, a crash, a promotion, an experiment, a no."""

from typing import Any

from registry.core.canonical import Json
from registry.usecases.reports import Event

COMMIT = "9f2c41d07be3a6510c8f4e2b7a9d3c15e8f60b24"
EARLIER = "41d07be39f2c6510c8f4e2b7a9d3c15e8f60b24a"
_CRASHED = "edge-2: exited with code 137 three times in 60 seconds"
_TWO = "policy two-people: approved by 1 of 2"


def events(digests: dict[tuple[str, int], str]) -> list[Event]:
    """As a reconciler tells them, the oldest first."""
    told = [{"kind": "commit_verified", "commit": COMMIT, "detail": {"signer": "alice"}}]
    told += _rollout(_about(digests, "digits", 3, "production/digits"))
    told += _fraud(digests)
    told += [
        {
            **_about(digests, "ranking", 2, "production/ranking"),
            "kind": "quarantined", "host": "edge-2", "reason": _CRASHED,
        },
        {
            **_about(digests, "ranking", 1, "production/ranking"),
            "kind": "rolled_back", "host": "edge-2", "reason": "version 2 is quarantined",
        },
    ]  # fmt: skip
    return [Event(id=f"told-{number}", **one) for number, one in enumerate(told)]


def _about(
    digests: dict[tuple[str, int], str], model: str, version: int, deployment: str
) -> dict[str, Any]:
    return {
        "model": model,
        "version": version,
        "digest": digests[model, version],
        "deployment": deployment,
        "commit": COMMIT,
    }


def _rollout(about: dict[str, Any]) -> list[dict[str, Any]]:
    on = {**about, "host": "edge-1"}
    allowed: dict[str, Json] = {"result": "allowed", "by": ["signed-by-known"]}
    return [
        {**about, "kind": "decided", "reason": "allowed", "detail": _decision(allowed)},
        {**on, "kind": "starting"},
        {**on, "kind": "started"},
        {**on, "kind": "tested", "reason": "accuracy 0.972, at least 0.95",
         "detail": {"passed": True}},
        {**on, "kind": "shifted", "reason": "5% of the traffic", "detail": {"weight": 5}},
        {**on, "kind": "analysed", "reason": "error-rate: 0.2% against 0.3%"},
        {**on, "kind": "shifted", "reason": "10% of the traffic", "detail": {"weight": 10}},
    ]  # fmt: skip


def _fraud(digests: dict[tuple[str, int], str]) -> list[dict[str, Any]]:
    serving = _about(digests, "fraud", 8, "production/fraud")
    denied: dict[str, Json] = {"result": "denied", "reasons": [_TWO]}
    return [
        {**serving, "kind": "deployed", "host": "edge-1"},
        {
            **serving,
            "kind": "promotion_decided",
            "reason": "well on staging/fraud for 24h, approved by carol, dave",
            "detail": {
                "promotion": "fraud",
                "from": "staging/fraud",
                "soakedSince": "2026-11-28T09:00:00+00:00",
                "approvals": ["a1", "b2"],
            },
        },
        {
            **serving,
            "kind": "experiment_begun",
            "reason": "fraud-recall: half of the users get version 9",
            "detail": {"experiment": "fraud-recall"},
        },
        {
            **_about(digests, "fraud", 9, "staging/fraud"),
            "kind": "decided",
            "reason": _TWO,
            "detail": _decision(denied),
        },
    ]


def _decision(ending: dict[str, Json]) -> dict[str, Json]:
    digests: dict[str, Json] = {"policies": "sha256:" + "1" * 64, "input": "sha256:" + "2" * 64}
    return {"area": "deploy", "audit": [], **digests, **ending}
