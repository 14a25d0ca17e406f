"""A registry that looks lived in: three models, a fleet with good and bad days, and a log of both.

Every page has something to show, and most of it is long, odd or broken somewhere.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from registry.core import age, evidence_documents
from registry.core.canonical import Json
from registry.core.envelope import Wanted
from registry.core.facts import Dataset, Facts, Parent, Relation
from registry.settings import Settings
from registry.trust import sign
from registry.usecases import aliases, evidence, hosts, publish, reports
from registry.usecases.access import Caller, Role
from registry.usecases.hosts import Identity
from registry.usecases.opening import Registry
from tests.making.explaining import explained
from tests.pages import happened, reported
from tests.registry import evidencing
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

LOOP = Caller(Role.RECONCILER, "loop")
OPERATOR = Caller(Role.OPERATOR, "olga")
COMMIT, EARLIER = happened.COMMIT, happened.EARLIER
_RECIPIENT = age.Identity(bytes(range(32))).recipient
_NEXT: Json = {"place": "edge-1", "verb": "shift", "text": "50% of the traffic to version 3"}
_SOAKING: Json = {
    "host": "",
    "code": "waiting_to_promote",
    "text": "the promotion fraud: version 9 is ready: approved by carol, 2 have to",
}
_WAITING: Json = {"host": "edge-2", "text": "the pause of 2 minutes after 10% is not over"}
CARD = """---
license: Apache-2.0
---
# Digits

Reads handwritten digits of 8 by 8 pixels.

| metric | value |
|---|---|
| accuracy | 0.972 |
"""


@dataclass(frozen=True)
class Shape:
    """What one deployment looks like."""

    environment: str
    name: str
    model: str
    version: int
    sync: str = "Synced"
    health: str = "Healthy"
    trust: str = "Verified"
    reason: str = ""


SHAPES = (
    Shape("production", "digits", "digits", 3, "OutOfSync", "Progressing"),
    Shape("production", "fraud", "fraud", 8),
    Shape(
        "production", "ranking", "ranking", 2, "OutOfSync", "Degraded",
        reason="on edge-2: version 2 exited with code 137, out of memory",
    ),
    Shape("staging", "digits", "digits", 3),
    Shape("staging", "fraud", "fraud", 9, "OutOfSync", "Missing", "Refused", "not yet on edge-5"),
    Shape("staging", "ranking", "ranking", 2, "Unknown", "Unreachable", "Unverified",
          "edge-6: no answer since 12 minutes"),
    Shape("dev", "digits", "digits", 3, health="Suspended", reason="suspend: true in Git"),
)  # fmt: skip


_POLICY = """apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {name: signed-by-known}
spec:
  mode: enforce
  validations:
    - expression: verification.publisher in ["alice", "bob"]
      message: published by somebody we know
    - expression: version.metadata.licence != ""
      message: its licence is said
"""


def settings(folder: Path) -> Settings:
    """A registry in `folder`, on a port of its own, with a policy."""
    area = folder / "policies" / "publish"
    area.mkdir(parents=True)
    lab = {"name": "lab", "publicKey": evidencing.PEOPLE["lab"].public_pem}
    (area / "signed-by-known.yaml").write_text(_POLICY)
    found = Settings(folder, listen=("127.0.0.1:0",), policies=folder / "policies")
    found.testers_file.write_text(json.dumps({"testers": [lab]}))
    return found


def fill(registry: Registry, alice: Publisher) -> None:
    """All of it; each part through the use case that programs take."""
    digests = _models(registry, alice)
    _hosts(registry)
    for shape in SHAPES:
        reports.set_status(
            registry,
            environment=shape.environment,
            name=shape.name,
            document=document(shape, digests),
            by=LOOP,
        )
    reported.tell(registry)
    reports.record_all(registry, happened.events(digests), LOOP)
    about = Wanted("digits", 3, digests["digits", 3])
    said = explained.explained(*explained.digits())
    payload = evidence_documents.explained(about, said, at=evidencing.AT)
    bundle = sign.sign_statement(payload, evidencing.PEOPLE["lab"])
    evidence.add(registry, "digits", 3, bundle, evidencing.LAB)


def _models(registry: Registry, alice: Publisher) -> dict[tuple[str, int], str]:
    counts = {"digits": 3, "fraud": 9, "ranking": 2}
    found: dict[tuple[str, int], str] = {}
    for seed, (model, count) in enumerate(counts.items()):
        for number in range(1, count + 1):
            files = {"model.onnx": onnx_model(seed * 100 + number)}
            store(registry, files)
            draft = alice.draft(files, version=number, model=model, said=_said(model, number))
            found[model, number] = publish.publish(registry, draft, ALICE).version.digest or ""
    for model, alias, number in (("digits", "champion", 3), ("fraud", "champion", 8)):
        move = aliases.Move(model, alias, number, "passed its acceptance tests")
        aliases.move(registry, move, OPERATOR)
    return found


def _said(model: str, number: int) -> Facts:
    parents = (Parent(Relation.FINE_TUNED, model, number - 1),) if number > 1 else ()
    return Facts(
        description=f"{model.capitalize()}, trained on week {30 + number}",
        owner="risk" if model == "fraud" else "vision",
        licence="Apache-2.0",
        commit=COMMIT if number % 2 else EARLIER,
        repository="https://git.example/acme/training",
        run_id=f"run-{number:04d}",
        card=CARD if model == "digits" else "",
        tags={"team": "risk" if model == "fraud" else "vision", "stage": "candidate"},
        metrics={"accuracy": 0.93 + number / 200, "f1": 0.9 + number / 150, "latency_ms": 4.5},
        parameters={"epochs": str(10 + number), "learning_rate": "0.001"},
        datasets=(Dataset("digits-2026-10", "sha256:" + "d" * 64, "s3://data/digits"),),
        parents=parents,
    )


def _hosts(registry: Registry) -> None:
    with registry.database.writing() as session:
        for number in range(1, 5):
            identity = Identity(f"edge-{number}", _RECIPIENT)
            hosts.enrol(session, registry, identity, actor=OPERATOR.actor)
        session.commit()
    hosts.revoke(registry, "edge-4", reason="disk was sold", by=OPERATOR)


def document(shape: Shape, digests: dict[tuple[str, int], str]) -> dict[str, Json]:
    """A status as the reconciler sends it."""
    wanted = _version(shape.model, shape.version, digests)
    is_moving = shape.health == "Progressing"
    return {
        "deployment": f"{shape.environment}/{shape.name}",
        "environment": shape.environment,
        "name": shape.name,
        "commit": COMMIT,
        "desired": wanted,
        "sync": {"status": shape.sync, "reason": shape.reason if shape.sync != "Synced" else ""},
        "health": {"status": shape.health, "reason": shape.reason},
        "trust": {
            "status": shape.trust,
            "reason": "signed by mallory, who is no publisher" if shape.trust == "Refused" else "",
        },
        "hosts": [_host(shape, number, digests) for number in range(1, 4)],
        "quarantined": _quarantined(shape, digests),
        "git": {
            "commit": COMMIT, "signer": "alice", "author": "alice@example.org", "verified": True,
            "refused": None,
        },
        "rollout": _rollout(shape) if is_moving else None,
        "answer": None,
        "pin": None,
        "experiment": _experiment(digests) if shape.version == 8 else None,
        "next": [_NEXT] if is_moving else [],
        "waiting": [_WAITING] if is_moving else [_SOAKING] if shape.version == 8 else [],
    }  # fmt: skip


def _version(model: str, number: int, digests: dict[tuple[str, int], str]) -> dict[str, Json]:
    return {
        "model": model,
        "version": number,
        "digest": digests.get((model, number), "sha256:" + "0" * 64),
        "commit": COMMIT,
    }


def _host(shape: Shape, number: int, digests: dict[tuple[str, int], str]) -> dict[str, Json]:
    is_behind = shape.sync != "Synced" and number > 1
    serving = _version(shape.model, shape.version - is_behind, digests)
    reason = shape.reason if is_behind else ""
    return {
        "host": f"edge-{number}",
        "sync": shape.sync if is_behind else "Synced",
        "health": shape.health if is_behind or shape.sync == "Synced" else "Healthy",
        "trust": shape.trust,
        "reason": reason,
        "trustReason": "",
        "serving": {**serving, "instance": f"{shape.name}-{number}"},
        "stage": "started" if is_behind else "routed",
    }


def _quarantined(shape: Shape, digests: dict[tuple[str, int], str]) -> list[Json]:
    if shape.health != "Degraded":
        return []
    return [
        {
            **_version(shape.model, shape.version, digests),
            "revision": "r1", "host": "edge-2", "code": "out_of_memory",
            "reason": "edge-2: exited with code 137 three times in 60 seconds", "at": 1795946400.0,
            "branch": "plimsoll/revert/ranking-2", "by": "", "request": None,
        }
    ]  # fmt: skip


def _rollout(shape: Shape) -> dict[str, Json]:
    key = f"{shape.environment}/{shape.name}"
    return {
        "strategy": "canary", "state": "paused", "step": 2, "steps": 5, "name": "pause 2m",
        "weight": 10, "mirror": 0, "headers": [], "since": 1795946400.0, "reason": "",
        "commands": [
            _command("promote", "go on with the next step", key),
            _command("abort", "go back", key),
        ],
    }  # fmt: skip


def _experiment(digests: dict[tuple[str, int], str]) -> dict[str, Json]:
    return {
        "name": "fraud-recall", "deployment": "production/fraud", "began": 1795860000.0,
        "ends": 1796464800.0, "state": "running", "reason": "", "decided": None,
        "variants": [
            {"name": "control", "version": 8, "digest": digests["fraud", 8], "weight": 50},
            {"name": "treatment", "version": 9, "digest": digests["fraud", 9], "weight": 50},
        ],
        "metrics": [
            {
                "name": "recall", "better": "higher", "observations": [4120, 4098],
                "means": [0.812, 0.829], "interval": [-0.002, 0.036], "confidence": 0.95,
                "text": "recall: 0.812 against 0.829, not yet told apart",
            },
            {
                "name": "latency", "better": "lower", "observations": [4120, 4098],
                "means": [12.4, 12.1], "interval": [-0.9, 0.3], "confidence": 0.95,
                "text": "latency: no worse so far",
            },
        ],
        "alpha": 0.05, "ratio": {"declared": 0.5, "p": 0.81, "alpha": 0.0005}, "looks": 14,
        "trouble": "", "told": "",
    }  # fmt: skip


def _command(verb: str, does: str, key: str) -> Json:
    return {"verb": verb, "does": does, "command": f"plimsoll {verb} {key} --reason WHY"}
