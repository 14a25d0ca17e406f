"""A stand-in for a cluster's API server: what `reconciler.cluster` uses of it, over real HTTP.

No API server comes as a package that could be run here. This one knows six kinds, checks each
manifest against what their makers publish (as `fieldValidation=Strict` does), keeps who manages
which field, and has no controllers: tests say what becomes of an object's status.
"""

import copy
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import kubernetes_validate

from tests.reconciler.core.kubernetes import published

TOKEN = "somebody"
PAGE = 2
_PATH = re.compile(
    r"/apis?/(?:(?P<group>[a-z.0-9]+)/)?v1(?:beta1)?/namespaces/(?P<namespace>[^/]+)"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?"
)

Object = dict[str, Any]


@dataclass
class Answer(Exception):
    """An answer that is no success, as the API server words it."""

    status: int
    message: str


@dataclass
class Cluster:
    """`objects` by plural and name; `owners` says who manages which field of which object."""

    namespace: str = "models"
    kinds: set[str] = field(
        default_factory=lambda: {
            "configmaps", "services", "deployments", "networkpolicies", "httproutes",
            "inferenceservices",
        }
    )  # fmt: skip
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    owners: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    forbidden: str = ""
    token: str = TOKEN
    looks: float = 0  # at a Deployment, until it is ready
    url: str = ""
    server: ThreadingHTTPServer | None = None
    _counted: int = 0

    def close(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def names(self, plural: str) -> list[str]:
        return sorted(name for kind, name in self.objects if kind == plural)

    def heal(self, found: Object) -> None:
        """As the controllers would: all that was asked for is there."""
        count = found["spec"].get("replicas", 1)
        found["status"] = {
            "observedGeneration": found["metadata"]["generation"],
            "updatedReplicas": count,
            "availableReplicas": count,
        }

    def get(self, key: tuple[str, str]) -> Object:
        if key not in self.objects:
            raise Answer(404, f'{key[0]} "{key[1]}" not found')
        if key[0] == "deployments":
            self.looks -= 1
            if self.looks < 0:
                self.heal(self.objects[key])
        return self.objects[key]

    def listed(self, plural: str, query: dict[str, str]) -> Object:
        wanted = dict(one.split("=") for one in query["labelSelector"].split(","))
        found = [
            one
            for (kind, _), one in sorted(self.objects.items())
            if kind == plural and wanted.items() <= one["metadata"]["labels"].items()
        ]
        start = int(query.get("continue", 0))
        more = str(start + PAGE) if start + PAGE < len(found) else ""
        return {"items": found[start : start + PAGE], "metadata": {"continue": more}}

    def apply(self, key: tuple[str, str], body: Object, query: dict[str, str]) -> Object:
        try:
            published.check(body)
        except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
            raise Answer(400, f"strict decoding error: {error}") from error
        before = self.objects.get(key)
        known, fields = self.owners.get(key, {}), dict(leaves(body))
        disputed = [
            f'conflict with "{known[path]}": {path}'
            for path, value in fields.items()
            if known.get(path, "plimsoll") != "plimsoll" and _at(before or {}, path) != value
        ]
        if disputed and query.get("force") != "true":
            count = f"{len(disputed)} conflict{'s' if len(disputed) > 1 else ''}"
            raise Answer(409, f"Apply failed with {count}: {', '.join(disputed)}")
        merged = _merged(copy.deepcopy(before or {}), body)
        if before is None or merged != before:
            self._counted += 1
            generation = merged["metadata"].get("generation", 0) + 1
            merged["metadata"] |= {"resourceVersion": str(self._counted), "generation": generation}
        if query.get("dryRun") != "All":
            self.objects[key] = merged
            self.owners[key] = known | dict.fromkeys(fields, query["fieldManager"])
        return merged


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field and its value; a list is one, as most are for the API server."""
    if isinstance(value, dict) and value:
        for name, one in value.items():
            yield from leaves(one, f"{path}.{name}")
    else:
        yield path, value


def _at(found: Object, path: str) -> Any:
    value: Any = found
    for name in path.split(".")[1:]:
        value = value.get(name, {}) if isinstance(value, dict) else {}
    return value


def _merged(found: Object, body: Object) -> Object:
    for name, value in body.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = _merged(found[name], value) if both else value
    return found


@contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    server = cluster.server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (_Handler,), {"cluster": cluster})
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    cluster.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield cluster
    finally:
        cluster.close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster

    def answer(self) -> None:
        try:
            status, document = 200, self._answer()
        except Answer as refused:
            status = refused.status
            document = {"kind": "Status", "code": status, "message": refused.message}
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PATCH = do_DELETE = answer  # noqa: N815  their names are given

    def _answer(self) -> Object:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        found = _PATH.fullmatch(asked.path)
        self.cluster.requests.append(f"{self.command} {self.path}")
        if self.headers.get("Authorization") != f"Bearer {self.cluster.token}":
            raise Answer(401, "Unauthorized")
        if found is None or found["plural"] not in self.cluster.kinds:
            raise Answer(404, "the server could not find the requested resource")
        if self.cluster.forbidden and self.cluster.forbidden == found["plural"]:
            raise Answer(403, f'{found["plural"]} is forbidden: User "ci" cannot patch it')
        key = found["plural"], found["name"]
        match self.command:
            case "GET":
                return self.cluster.get(key) if key[1] else self.cluster.listed(key[0], query)
            case "DELETE":
                self.cluster.get(key)
                if query.get("dryRun") != "All":
                    del self.cluster.objects[key]
                return {"kind": "Status", "status": "Success"}
            case _:
                return self._patch(key, found["namespace"], json.loads(body), query)

    def _patch(
        self, key: tuple[str, str], namespace: str, body: Object, query: dict[str, str]
    ) -> Object:
        if self.headers["Content-Type"] != "application/apply-patch+yaml":
            raise Answer(415, "no apply")
        if namespace != self.cluster.namespace:
            raise Answer(404, f'namespaces "{namespace}" not found')
        return self.cluster.apply(key, body, query)

    def log_message(self, *_: object) -> None:
        pass
