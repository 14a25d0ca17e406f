"""An instance as KServe's InferenceService, for who lets KServe deploy it. Pure.

Weights are said as each of its modes knows them: `canaryTrafficPercent` where Knative keeps the
former revision (Serverless), `spec.canary` where both predictors are written out (Standard,
from KServe 0.20 on).
"""

from reconciler.core import runtimefile
from reconciler.core.kubernetes import workload
from reconciler.core.kubernetes.workload import Handed, Manifest, Place
from reconciler.core.observed import InstanceSpec

# KServe looks for its container by this name.
CONTAINER = "kserve-container"
_MODE = "serving.kserve.io/deploymentMode"


def inference_service(
    spec: InstanceSpec, place: Place, handed: Handed, *, percent: int | None = None
) -> Manifest:
    """`spec` on Knative; `percent` of the traffic while the former revision has the rest."""
    predictor = _predictor(spec, handed)
    if percent is not None:
        predictor["canaryTrafficPercent"] = percent
    return _service(spec, place, "Knative", {"predictor": predictor})


def with_canary(
    serving: InstanceSpec, candidate: InstanceSpec, place: Place, handed: Handed, *, percent: int
) -> Manifest:
    """`serving` on plain Deployments, and `percent` of its traffic for `candidate`."""
    canary = {"predictor": _predictor(candidate, handed), "trafficPercent": percent}
    spec = {"predictor": _predictor(serving, handed), "canary": [canary]}
    return _service(serving, place, "Standard", spec)


def _service(spec: InstanceSpec, place: Place, mode: str, body: Manifest) -> Manifest:
    """Named by its deployment: it stays while versions come and go."""
    found = workload.metadata(spec, place)
    own = spec.deployment.rpartition("/")[2]
    found["labels"] = found["labels"] | {workload.NAME_LABEL: own}
    found["annotations"] = found["annotations"] | {_MODE: mode}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": found | {"name": own},
        "spec": body,
    }


def _predictor(spec: InstanceSpec, handed: Handed) -> Manifest:
    pod = workload.pod(spec, handed, container=CONTAINER)
    container = pod["containers"][0]
    # Knative takes one port, by this name, and no probe for the start.
    container["ports"] = [{"name": "http1", "containerPort": runtimefile.RUNTIME_PORT}]
    del container["startupProbe"]
    container["livenessProbe"]["initialDelaySeconds"] = 30
    return {"minReplicas": spec.replicas, **pod}
