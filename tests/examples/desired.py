"""YAML of the pages, read by the code that reads it in Git; a fragment where it would stand."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import yaml

from reconciler.core import kinds
from registry.core import documents, grants, reading
from registry.core.documents import Document, Problem

_FOLDERS = {
    "Host": "models.d/hosts",
    "Policy": "policies/deploy",
    "PolicyTest": "policies/deploy",
    "ModelDeployment": "models.d/production",
}
_HEAD = "apiVersion: plimsoll.dev/v1\nkind: "
_DEPLOYMENT = yaml.safe_load(
    f"""{_HEAD}ModelDeployment
metadata: {{name: digits, environment: production}}
spec:
  model: {{name: digits, version: 7, digest: "sha256:{"0" * 64}"}}
  targets: {{hosts: [edge-1]}}
  runtime: {{image: "plimsoll-runtime:1", format: onnx, resources: {{memory: 512Mi, cpus: 1}}}}
  strategy: {{blueGreen: {{}}}}
"""
)
_HOST = yaml.safe_load(
    f"""{_HEAD}Host
metadata: {{name: edge-1}}
spec:
  engine: {{address: "unix:///var/run/docker.sock"}}
  ingress: {{port: 8501}}
"""
)
_GOLDEN = yaml.safe_load(
    f"""{_HEAD}AcceptanceTemplate
metadata: {{name: golden}}
spec:
  dataset: {{path: models.d/datasets/golden.csv, digest: "sha256:{"0" * 64}", format: csv,
    label: label, inputs: [{{name: images, prefix: p, dtype: float32, shape: [64]}}]}}
  output: probabilities
  metrics: {{accuracy: {{min: 0.9}}}}
  minimumSamples: 100
"""
)
_EXPERIMENT = yaml.safe_load(
    f"""{_HEAD}Experiment
metadata: {{name: bigger}}
spec:
  deployment: production/digits
  variants:
    - {{name: a, version: 7, digest: "sha256:{"0" * 64}", weight: 50}}
    - {{name: b, version: 8, digest: "sha256:{"1" * 64}", weight: 50}}
  alpha: 0.05
  horizon: {{samples: 40000, time: 336h}}
  promote: never
"""
)
_POLICY = yaml.safe_load(
    f"""{_HEAD}Policy
metadata: {{name: mine}}
spec:
  match: {{}}
  mode: enforce
  validations: [{{expression: "true", message: why}}]
"""
)
_RECIPE = yaml.safe_load(
    f"""{_HEAD}OptimisationRecipe
metadata: {{name: mine}}
spec:
  model: {{path: model.onnx}}
  data:
    golden: {{path: golden.npz, label: label}}
    calibration: {{path: calibration.npz}}
    training: {{path: training.npz, label: label}}
"""
)


def problems(text: str) -> str:
    """What the reader of Git says against `text`; empty if it takes it."""
    number = itertools.count()
    whole = re.sub(r"sha256:[0-9a-f]*…", lambda _: f"sha256:{next(number):064x}", text)
    if "apiVersion:" in whole:
        return _read(whole)
    said = [_read(yaml.safe_dump(one)) for one in _around(yaml.safe_load(whole))]
    return "" if "" in said else "; or ".join(said)


def _read(text: str) -> str:
    kind = str(yaml.safe_load(text)["kind"])
    if kind == "Access":
        read = grants.parse("access.yaml", text.encode())
        return "\n".join(one.detail for one in read if isinstance(one, Problem))
    document = documents.read(f"{_FOLDERS.get(kind, 'models.d')}/shown.yaml", text.encode())
    if isinstance(document, Problem):
        return document.detail
    return _kind(document)


def _kind(document: Document) -> str:
    found = reading.read(document, kinds.SCHEMAS)
    return "\n".join(one.detail for one in found) if isinstance(found, tuple) else ""


def _around(part: Any) -> Iterator[dict[str, Any]]:
    """Each whole document that `part` may be a part of."""
    if isinstance(part, list):
        yield {**_POLICY, "spec": {**_POLICY["spec"], "validations": part}}
        yield {**_RECIPE, "spec": {**_RECIPE["spec"], "steps": part}}
        return
    for base in (_DEPLOYMENT, _HOST):
        yield {
            **base,
            **part,
            "metadata": {**base["metadata"], **part.get("metadata", {})},
            "spec": {**base["spec"], **part.get("spec", {})},
        }
    for base in (_DEPLOYMENT, _HOST, _GOLDEN, _EXPERIMENT):
        spec = {**base["spec"], **part}
        if "runtime" in spec:
            spec["runtime"] = {**base["spec"].get("runtime", {}), **spec["runtime"]}
        yield {**base, "spec": spec}
    yield {**_DEPLOYMENT, "spec": {**_DEPLOYMENT["spec"], "strategy": part}}
    yield {**_POLICY, "spec": {**_POLICY["spec"], "validations": [{"message": "why", **part}]}}
