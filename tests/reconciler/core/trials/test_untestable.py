"""A test that a host cannot run is told when its file is read, not by a candidate that waits."""

from reconciler.core import desired
from registry.core import digest

DATA = b"label,p0\n1,2\n"
HOST = """\
apiVersion: plimsoll.dev/v1
kind: Host
metadata: {{name: {name}}}
spec:
  engine: {{address: {address}}}
  ingress: {{port: {port}}}
"""
TEMPLATE = f"""\
apiVersion: plimsoll.dev/v1
kind: AcceptanceTemplate
metadata: {{name: golden}}
spec:
  dataset:
    path: models.d/datasets/golden.csv
    digest: "{digest.of(DATA)}"
    label: label
    inputs: [{{prefix: p, dtype: float32, shape: [1]}}]
  metrics: {{accuracy: {{min: 0.9}}}}
  minimumSamples: 1
  memory: {{peak: 256Mi}}
  container: {{image: "team/checks:3"}}
"""
DEPLOYMENT = """\
apiVersion: plimsoll.dev/v1
kind: ModelDeployment
metadata: {name: digits, environment: production}
spec:
  model: {name: digits, version: 1, digest: "sha256:%s"}
  targets: {hosts: [docker, local]}
  runtime: {image: "plimsoll-runtime:dev", format: onnx, resources: {memory: 64Mi, cpus: 1}}
  strategy: {blueGreen: {scaleDownDelaySeconds: 0}}
  acceptance: [{template: golden}]
  progressDeadlineSeconds: 600
"""


def test_a_host_without_containers_cannot_run_a_test_in_one() -> None:
    state = desired.load(
        {
            "models.d/hosts/docker.yaml": HOST.format(
                name="docker", address="unix:///var/run/docker.sock", port=8501
            ).encode(),
            "models.d/hosts/local.yaml": HOST.format(
                name="local", address="process:///var/lib/local", port=8601
            ).encode(),
            "models.d/datasets/golden.csv": DATA,
            "models.d/templates/golden.yaml": TEMPLATE.encode(),
            "models.d/production/digits.yaml": (DEPLOYMENT % ("1" * 64)).encode(),
        },
        commit="c",
    )
    [problem] = state.problems
    assert problem.message == (
        "spec.acceptance.0.template: the host local cannot run a test in a container beside a "
        "candidate"
    )
    assert problem.fix == (
        "take container out of the template, or target Docker or driver: haproxy hosts"
    )
    assert "production/digits" in state.held
