"""Two states of a branch and what is known of the versions in them, for tests of reviews."""

from dataclasses import replace

from reconciler.core import desired, review
from reconciler.core.edit import Pin
from reconciler.core.review import Side, Version, changing, judged
from reconciler.core.review.facts import Fact
from reconciler.core.rollout import NO_ROLLOUT, HostRollout, Rollout
from registry.core import policy
from registry.core.policy import Area
from registry.core.tensors import Signature, Tensor
from tests.reconciler.core.wishes import POLICY, deployment_file, digest_of, host_file

BOUND = review.Bound("b" * 40, "a" * 40, 1234)
APPROVED = """\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {name: approved}
spec:
  mode: enforce
  validations:
    - expression: verification.approvals.size() >= 2
      message: two persons must approve it
"""
HOSTS = ("edge-1", "edge-2", "edge-3", "edge-4")


def side(deployments: dict[str, str], more: dict[str, str] | None = None) -> Side:
    """A state with these deployments of production, and more files by path."""
    files = {
        "policies/deploy/all.yaml": POLICY,
        **{f"models.d/hosts/{name}.yaml": host_file(name) for name in HOSTS},
        **{f"models.d/production/{name}.yaml": text for name, text in deployments.items()},
        **(more or {}),
    }
    data = {path: text.encode() for path, text in files.items()}
    return Side(desired.load(data, commit="c1"), data)


def asking(name: str, version: int, hosts: tuple[str, ...] = HOSTS, **more: str) -> str:
    """A deployment's file."""
    strategy = "canary: {steps: [{setWeight: 10}, {pause: {duration: 2m}}]}"
    return deployment_file(name, version, hosts, tested=False, strategy=strategy, **more)


def version(name: str, number: int, **more: object) -> Version:
    """A version that verifies."""
    known = Version(
        pin=Pin(name, number, digest_of(number)),
        format="onnx",
        size=1_200_000 + 100_000 * number,
        signers=("alice",),
        signature=Signature(
            (Tensor("pixels", "float32", (None, 64)),), (Tensor("scores", "float32", (None, 10)),)
        ),
        metrics={"golden: accuracy": 0.9 + number / 1000},
        log_size=1234,
    )
    return replace(known, **more)  # type: ignore[arg-type]


def request(manifest: desired.Deployment, approvals: int = 0) -> policy.Request:
    """What policies of deployment see."""
    document = manifest.manifest.model_dump(mode="json", by_alias=True)
    people = [{"by": f"person-{number}", "at": ""} for number in range(approvals)]
    return policy.request(
        Area.DEPLOY,
        {
            "deployment": document,
            "version": {},
            "verification": {"approvals": people},
            "environment": "production",
            "quarantined": [],
            "now": "2026-06-03T10:00:00Z",
        },
    )


def reviewed(
    before: Side, after: Side, facts: list[Fact], goods: dict[str, int] | None = None
) -> review.Review:
    """The review with these facts; `goods` are the versions that were good, by host."""
    changes = changing.changes(before.state, after.state)
    known = review.Known(
        facts={fact.pin: fact for fact in facts},
        decisions={
            change.key: (judged.judge(after.state.policies, request(change.after)),)
            for change in changes
            if change.after is not None
        },
        rollouts={change.key: _remembered(change, goods or {}) for change in changes},
    )
    return review.make(before, after, known, bound=BOUND)


def _remembered(change: changing.Change, goods: dict[str, int]) -> Rollout:
    asked = change.before or change.after
    if asked is None:
        return NO_ROLLOUT
    return Rollout(
        hosts={
            host: HostRollout(
                last_good=replace(
                    asked.spec_on(host, "c0"), version=number, digest=digest_of(number)
                )
            )
            for host, number in goods.items()
        }
    )
