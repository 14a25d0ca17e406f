"""Desired states for tests, written as the files that Git would hold."""

import hashlib
from collections.abc import Iterable, Mapping
from unittest.mock import patch

from reconciler.core import abilities, desired

# Hosts on paper divide traffic, whatever those of metal can.
DIVIDING = {abilities.Hosts.DOCKER: frozenset(abilities.Ability)}


def digest_of(version: int) -> str:
    """The digest that goes with a version."""
    return f"sha256:{version:064x}"


TEMPLATE = f"""\
apiVersion: plimsoll.dev/v1
kind: AcceptanceTemplate
metadata: {{name: golden}}
spec:
  dataset:
    path: models.d/datasets/golden.csv
    digest: sha256:{"0" * 64}
    label: label
    inputs: [{{prefix: p, dtype: float32, shape: [1]}}]
  metrics: {{accuracy: {{min: 0.9}}}}
  minimumSamples: 1
"""

POLICY = """\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {name: all}
spec: {mode: enforce, validations: [{expression: "true", message: never}]}
"""


def host_file(name: str) -> str:
    """models.d/hosts/NAME.yaml."""
    return f"""\
apiVersion: plimsoll.dev/v1
kind: Host
metadata: {{name: {name}, labels: {{site: lab}}}}
spec: {{engine: {{address: "unix:///var/run/docker.sock"}}, ingress: {{port: 8501}}}}
"""


def deployment_file(  # noqa: PLR0913  a file has many fields
    name: str,
    version: int,
    hosts: Iterable[str],
    *,
    model: str = "",
    suspend: bool = False,
    promote: bool = True,
    auto: bool = True,
    tested: bool = True,
    delay: int = 30,
    deadline: int = 100,
    strategy: str = "",
    fleet: str = "",
) -> str:
    """models.d/production/NAME.yaml."""
    flag = {True: "true", False: "false"}
    usual = f"blueGreen: {{scaleDownDelaySeconds: {delay}, autoPromotionEnabled: {flag[promote]}}}"
    return f"""\
apiVersion: plimsoll.dev/v1
kind: ModelDeployment
metadata: {{name: {name}, environment: production}}
spec:
  model: {{name: {model or name}, version: {version}, digest: "{digest_of(version)}"}}
  targets: {{hosts: [{", ".join(hosts)}]}}
  runtime: {{image: "runtime:1", format: onnx, resources: {{memory: 512Mi, cpus: 1}}}}
  strategy: {{{strategy or usual}}}
  acceptance: [{"{template: golden}" if tested else ""}]
  rollback: {{auto: {flag[auto]}, pushRevertBranch: true}}
  progressDeadlineSeconds: {deadline}
  suspend: {flag[suspend]}
  fleet: {{{fleet}}}
"""


def wish(
    deployments: Mapping[str, str],
    *,
    hosts: Iterable[str] = ("h1", "h2"),
    commit: str = "c1",
    allow_empty: bool = False,
    policies: Mapping[str, str] | None = None,
) -> desired.DesiredState:
    """The desired state with these deployment files, by name, and more files by path."""
    data = b"label,p0\n1,2\n"
    template = TEMPLATE.replace("0" * 64, _sha256(data))
    files = {
        "models.d/datasets/golden.csv": data,
        "models.d/templates/golden.yaml": template.encode(),
        "policies/deploy/all.yaml": POLICY.encode(),
        **{f"models.d/hosts/{name}.yaml": host_file(name).encode() for name in hosts},
        **{f"models.d/production/{name}.yaml": t.encode() for name, t in deployments.items()},
        **{path: text.encode() for path, text in (policies or {}).items()},
    }
    with patch.dict(abilities.ABLE, DIVIDING):
        return desired.load(files, commit=commit, allow_empty=allow_empty)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
