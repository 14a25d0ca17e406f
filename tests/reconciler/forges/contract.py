"""Requests to a forge and its answers, held against an OpenAPI document.

GitHub's is its own, cut to the paths in use. Those of Gitea and GitLab are in no package that a
checkout can install, so theirs are described here in our own words.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parent / "contracts"
_TEXTS = {"uri": "https://forge.example/x", "date-time": "2026-01-01T00:00:00Z"}


class Contract:
    """One document; every `require` fails with what is wrong."""

    def __init__(self, kind: str) -> None:
        document = json.loads((FOLDER / f"{kind}.json").read_text())
        self._components = {"components": _modern(document.get("components", {}))}
        self._paths = document["paths"]

    def require_request(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any]
    ) -> None:
        """The operation exists, takes these parameters, and this body."""
        operation = self._operation(method, path)
        known = {one["name"]: one for one in map(self._whole, operation.get("parameters", []))}
        for name, text in query.items():
            assert name in known, f"{method} {path} has no parameter {name}"
            schema = self._whole(known[name]["schema"])
            value = int(text) if schema.get("type") == "integer" else text
            self._require(value, schema, f"{method} {path}?{name}")
        if body:
            schema = _schema(operation["requestBody"])
            unknown = body.keys() - self._whole(schema)["properties"].keys()
            assert not unknown, f"{method} {path} takes no {unknown}"
            self._require(body, schema, f"{method} {path}")

    def answer(self, method: str, path: str, status: int, said: Any) -> Any:
        """`said` with everything else that the document wants in an answer."""
        schema = _schema(self._operation(method, path)["responses"][str(status)])
        made = self._filled(schema, said)
        self._require(made, schema, f"{status} to {method} {path}")
        return made

    def _operation(self, method: str, path: str) -> dict[str, Any]:
        for template, operations in self._paths.items():
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
            # Where a fixed word would fit too, as in issues/comments, that one is meant.
            if re.fullmatch(pattern, path) and method.lower() in operations:
                return dict(operations[method.lower()])
        raise AssertionError(f"the document has no {method} {path}")

    def _require(self, value: Any, schema: dict[str, Any], what: str) -> None:
        whole = _modern(schema) | self._components
        wrong = [
            f"{what}: {error.json_path}: {error.message[:200]}"
            for error in Draft202012Validator(whole).iter_errors(value)
        ]
        assert not wrong, wrong

    def _filled(self, schema: dict[str, Any], said: Any) -> Any:
        schema = self._whole(schema)
        if isinstance(said, list):
            return [self._filled(schema["items"], one) for one in said]
        if schema.get("type") == "object" or "properties" in schema:
            said = said if isinstance(said, dict) else {}
            known = schema.get("properties", {})
            wanted = {*schema.get("required", ()), *said} & known.keys()
            return {name: self._filled(known[name], said.get(name)) for name in sorted(wanted)}
        return _least(schema) if said is None else said

    def _whole(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Without references; of alternatives the first, of what belongs together all."""
        if "$ref" in schema:
            found: Any = self._components
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            return self._whole(found)
        for name in ("anyOf", "oneOf"):
            if name in schema:
                return self._whole(schema[name][0])
        if "allOf" in schema:
            return {
                key: value for part in schema["allOf"] for key, value in self._whole(part).items()
            }
        return schema


@functools.cache
def of(kind: str) -> Contract:
    """The contract of `github`, `gitea` or `gitlab`."""
    return Contract(kind)


def _schema(part: dict[str, Any]) -> dict[str, Any]:
    return dict(part["content"]["application/json"]["schema"])


def _modern(value: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(value, list):
        return [_modern(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {name: _modern(one) for name, one in value.items() if name != "nullable"}
    return {"anyOf": [made, {"type": "null"}]} if value.get("nullable") is True else made


def _least(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "string":
            return _TEXTS.get(schema.get("format", ""), "text")
        case "integer" | "number":
            return 1
        case "boolean":
            return False
        case "array":
            return []
    return None
