"""Analysis templates for tests, written as the files that Git would hold."""

from reconciler.core.kinds.analysis import AnalysisTemplate
from reconciler.core.sources import Source, parse

COUNTED = "successCondition: result < 0.05"
RUNTIME = "{runtime: {measure: errorRate}}"


def metric(
    name: str = "errors", more: str = f"{COUNTED}, interval: 10s, count: 3", by: str = RUNTIME
) -> str:
    """One item of spec.metrics."""
    return f"{{name: {name}, {more}, provider: {by}}}"


def template_file(*metrics: str, name: str = "errors", args: str = "[]") -> bytes:
    """models.d/templates/NAME.yaml."""
    return f"""\
apiVersion: plimsoll.dev/v1
kind: AnalysisTemplate
metadata: {{name: {name}}}
spec:
  args: {args}
  metrics: [{", ".join(metrics)}]
""".encode()


def template(*metrics: str, name: str = "errors", args: str = "[]") -> AnalysisTemplate:
    """The same, read."""
    path = f"models.d/templates/{name}.yaml"
    found = parse(path, template_file(*metrics, name=name, args=args))
    assert isinstance(found, Source), found
    assert isinstance(found.kind, AnalysisTemplate)
    return found.kind
