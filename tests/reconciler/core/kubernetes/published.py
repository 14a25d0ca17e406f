"""What others published about the form of their objects, for manifests to be held against.

Kubernetes' own schemas come with the package kubernetes-validate. The Gateway API's is that of
its release v1.0.0, from the npm package @kubernetes-models/gateway-api 0.5.1 (MIT license), with
the status left out and unknown fields refused. KServe's are the attribute tables of the classes
that its Python package brings, read and not imported: they want another environment than ours.
"""

import ast
import functools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

_ROOT = Path(__file__).parents[4]
_HTTP_ROUTE = Path(__file__).with_name("httproute-v1.0.0.json")
_KSERVE = ".build/clients/lib/python3*/site-packages/kserve/models"
_CORE = "1.37"
_PLAIN = {"str": str, "int": int, "bool": bool}


def check(manifest: dict[str, Any]) -> None:
    """Raises when `manifest` is not of the form that its kind has."""
    match manifest["kind"]:
        case "HTTPRoute":
            jsonschema.validate(manifest, json.loads(_HTTP_ROUTE.read_text()))
        case "InferenceService":
            _check_kserve(manifest, "V1beta1InferenceService", "")
        case _:
            kubernetes_validate.validate(manifest, _CORE, strict=True)


def _check_kserve(value: Any, kind: str, path: str) -> None:
    """Kubernetes' own parts, and what has no table, are left to who knows them."""
    if found := re.fullmatch(r"list\[(.*)\]", kind):
        assert isinstance(value, list), path
        for index, one in enumerate(value):
            _check_kserve(one, found[1], f"{path}[{index}]")
    elif kind in _PLAIN:
        assert type(value) is _PLAIN[kind], f"{path} is no {kind}"
    elif kind == "V1Container":
        kubernetes_validate.validate(_pod([value]), _CORE, strict=True)
    elif table := _tables().get(kind):
        for name, one in value.items():
            assert name in table, f"{path}.{name} is not known to {kind}"
            _check_kserve(one, table[name], f"{path}.{name}")


def _pod(containers: list[Any]) -> dict[str, Any]:
    about = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    return {**about, "spec": {"containers": containers}}


@functools.cache
def _tables() -> dict[str, dict[str, str]]:
    """By class: the type of each field, by the name that it has in a manifest."""
    [folder] = _ROOT.glob(_KSERVE)
    found = {}
    for path in folder.glob("v1beta1_*.py"):
        for one in ast.parse(path.read_text()).body:
            if isinstance(one, ast.ClassDef):
                types, names = _value(one, "openapi_types"), _value(one, "attribute_map")
                found[one.name] = {names[name]: kind for name, kind in types.items()}
    return found


def _value(of: ast.ClassDef, name: str) -> dict[str, str]:
    for line in of.body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == name:
            found: dict[str, str] = ast.literal_eval(line.value)
            return found
    raise AssertionError(f"{of.name} has no {name}")
