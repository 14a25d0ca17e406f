"""A set's file, and hosts around it."""

from tests.reconciler.core.wishes import digest_of, host_file

PATH = "models.d/sets/edge.yaml"
NAME = '"digits-{{host}}"'
BY_HOST = "{hosts: {matchLabels: {site: lab}}}"


def set_file(  # noqa: PLR0913  a set has many places
    generators: str = BY_HOST,
    *,
    name: str = NAME,
    environment: str = "production",
    version: str = "1",
    digest: str = f'"{digest_of(1)}"',
    host: str = '"{{host}}"',
    more: str = "",
    project: str = "default",
) -> bytes:
    """models.d/sets/edge.yaml."""
    return f"""\
apiVersion: plimsoll.dev/v1
kind: ModelDeploymentSet
metadata: {{name: edge, project: {project}}}
spec:
  generators:
    - {generators}
  template:
    metadata: {{name: {name}, environment: {environment}}}
    spec:
      model: {{name: digits, version: {version}, digest: {digest}}}
      targets: {{hosts: [{host}]}}
      runtime: {{image: "runtime:1", format: onnx, resources: {{memory: 512Mi, cpus: 1}}}}
      strategy: {{blueGreen: {{scaleDownDelaySeconds: 30}}}}
{more}""".encode()


def hosts(*names: str) -> dict[str, bytes]:
    """Hosts with the label site: lab."""
    return {f"models.d/hosts/{name}.yaml": host_file(name).encode() for name in names}
