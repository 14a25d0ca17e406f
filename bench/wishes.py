"""What is written to Git: hosts, deployments, and the repository's own policies and templates."""

from pathlib import Path

from reconciler.core import desired
from reconciler.core.observed import InstanceSpec

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = "production"
RUNTIME_IMAGE = "plimsoll-runtime:dev"
INGRESS_IMAGE = "plimsoll-ingress:dev"
_CARRIED = ("policies", "models.d/templates", "models.d/datasets")


def carried() -> dict[str, bytes]:
    """Policies, acceptance templates and golden data, as this repository has them."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for folder in _CARRIED
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file()
    }


def host(name: str, *, engine: Path, port: int) -> dict[str, bytes]:
    """One host whose engine is at the Unix socket `engine`."""
    text = f"""\
apiVersion: plimsoll.dev/v1
kind: Host
metadata: {{name: {name}}}
spec:
  engine: {{address: "unix://{engine}"}}
  ingress: {{port: {port}}}
"""
    return {f"models.d/hosts/{name}.yaml": text.encode()}


def deployment(
    model: str, *, version: int, digest: str, form: str, host: str, memory: str = "1Gi"
) -> dict[str, bytes]:
    """The deployment `production/<model>`; its predecessor goes as soon as it has the traffic."""
    text = f"""\
apiVersion: plimsoll.dev/v1
kind: ModelDeployment
metadata: {{name: {model}, environment: {ENVIRONMENT}}}
spec:
  model: {{name: {model}, version: {version}, digest: "{digest}"}}
  targets: {{hosts: [{host}]}}
  runtime:
    image: {RUNTIME_IMAGE}
    format: {form}
    resources: {{memory: {memory}, cpus: 1}}
  strategy:
    blueGreen: {{scaleDownDelaySeconds: 0}}
  acceptance: [{{template: digits-golden}}]
"""
    return {f"models.d/{ENVIRONMENT}/{model}.yaml": text.encode()}


def specs(files: dict[str, bytes], host: str) -> list[InstanceSpec]:
    """The instances that `files` ask for on `host`, by the reconciler's own reading of them."""
    state = desired.load(files, commit="0" * 40)
    if state.problems:
        raise state.problems[0].error()
    return [wanted.spec_on(host, state.commit) for wanted in state.deployments.values()]
