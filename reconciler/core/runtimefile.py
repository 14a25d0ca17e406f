"""What a runtime reads at its start, whatever engine runs it: its file, ports and folders. Pure.

Nothing secret is in the file: a permit is of use to its host alone. Token, trust root and
environment are files beside it.
"""

import json
from collections.abc import Mapping
from typing import Any

from reconciler.core.observed import InstanceSpec

LAUNCH_FOLDER = "/run/plimsoll"
CACHE_FOLDER = "/var/lib/plimsoll"
RUNTIME_PORT = 8501
GRPC_PORT = 8500
FILE = "runtime.json"
ENVIRONMENT = "environment.json"

Document = dict[str, Any]


def document(spec: InstanceSpec, *, registry: str, permit: str = "") -> Document:
    """The runtime's file for `spec`; `permit` is JSON text, empty where there is none."""
    return {
        "listen": f"0.0.0.0:{RUNTIME_PORT}",
        "cache": CACHE_FOLDER,
        "registry": registry,
        "tokenFile": f"{LAUNCH_FOLDER}/token",
        "trustFile": f"{LAUNCH_FOLDER}/trust.json",
        "host": spec.host,
        "models": [
            {
                "model": spec.model,
                "version": spec.version,
                "digest": spec.digest,
                "format": spec.format,
                **spec.pinned,
                "active": True,
                "deployment": spec.deployment,
                "permit": json.loads(permit) if permit else None,
            }
        ],
        "controlTokenFile": None,
        **policies(spec),
        **process(spec),
    }


def environment_file(environment: Mapping[str, str]) -> Document:
    """The field of the runtime's file that names its environment, where there is one."""
    return {"environmentFile": f"{LAUNCH_FOLDER}/{ENVIRONMENT}"} if environment else {}


def process(spec: InstanceSpec) -> Document:
    """What Git declares of the whole runtime, as its file has it."""
    declared = dict(spec.process)
    if declared.pop("grpc", False):
        declared["grpcListen"] = f"0.0.0.0:{GRPC_PORT}"
    return declared


def policies(spec: InstanceSpec) -> Document:
    """The field `policies` of the runtime's file, which a runtime before labels does not know."""
    found = policy(spec)
    return {"policies": {spec.model: found}} if found["labels"] else {}


def policy(spec: InstanceSpec) -> Document:
    """The labels that Git declares lead to the version that it pins; to clients there is no
    other."""
    labels = spec.declared.get("labels", [])
    wanted = labels if isinstance(labels, list) else []
    return {"versions": "active", "labels": {str(label): spec.version for label in wanted}}
