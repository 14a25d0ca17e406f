"""A Kubernetes cluster, through the official client: objects are applied on the server's side.

What is ours of an object is what we send; whatever others own in it stays theirs, and a field that
both want is a conflict, which nobody wins by chance. Every call is bounded in time.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler.core.kubernetes import standing
from reconciler.core.kubernetes.workload import Manifest
from registry import errors

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

MANAGER = "plimsoll"
_TIMEOUT_S = (5.0, 30.0)
_PAGE = 200
_APIS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    "InferenceService": "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices",
}
_INSTALL = {
    "HTTPRoute": "install the Gateway API's resources, version 1.0 or newer",
    "InferenceService": "install KServe",
}


class Verb(StrEnum):
    """What became of an object."""

    CREATED = "created"
    CHANGED = "changed"
    SAME = "unchanged"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Key:
    """One object of a namespace."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Manner:
    """`is_rehearsal` lets the server check everything and change nothing; with `takes_over`,
    fields that others manage become ours."""

    is_rehearsal: bool = False
    takes_over: bool = False

    def query(self) -> list[tuple[str, str]]:
        """As the API wants it."""
        dry = [("dryRun", "All")] if self.is_rehearsal else []
        return [*dry, ("force", "true")] if self.takes_over else dry


class Cluster:
    """One namespace of a cluster. Every method raises `Unavailable`, and `Forbidden`."""

    def __init__(self, api: "ApiClient", namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def apply(self, manifest: Manifest, manner: Manner) -> Verb:
        """Make it so; raises `Conflict` for fields that others manage, and `InvalidInput`."""
        path = self._path(_key(manifest))
        before = self._ask("GET", path)
        query = [("fieldManager", MANAGER), ("fieldValidation", "Strict"), *manner.query()]
        status, found = self._ask("PATCH", path, query=query, body=manifest)
        if status == _NOT_FOUND:
            raise _unknown(manifest["kind"], self._namespace, found)
        if before[0] == _NOT_FOUND:
            return Verb.CREATED
        return Verb.SAME if _version(before[1]) == _version(found) else Verb.CHANGED

    def standing(self, manifest: Manifest) -> standing.Standing:
        """How far the cluster has come with what was applied."""
        status, found = self._ask("GET", self._path(_key(manifest)))
        if status == _NOT_FOUND:
            return standing.Failed("somebody has removed it")
        return standing.of(found)

    def labelled(self, kinds: tuple[str, ...], labels: Mapping[str, str]) -> list[Key]:
        """All objects of `kinds` that have these labels."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        return [Key(kind, name) for kind in kinds for name in self._names(kind, selector)]

    def remove(self, key: Key, manner: Manner) -> None:
        """Remove an object and what the cluster made for it; one that is gone is fine."""
        query = [("propagationPolicy", "Background"), *Manner(manner.is_rehearsal).query()]
        self._ask("DELETE", self._path(key), query=query)

    def _names(self, kind: str, selector: str) -> list[str]:
        names: list[str] = []
        more = ""
        while True:
            query = [("labelSelector", selector), ("limit", str(_PAGE))]
            query += [("continue", more)] if more else []
            status, page = self._ask("GET", _APIS[kind].format(quote(self._namespace)), query=query)
            if status == _NOT_FOUND:
                return names
            names += [str(item["metadata"]["name"]) for item in page.get("items", ())]
            more = str(page.get("metadata", {}).get("continue") or "")
            if not more:
                return names

    def _path(self, key: Key) -> str:
        return f"{_APIS[key.kind].format(quote(self._namespace))}/{quote(key.name)}"

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Manifest | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """The status, which is 404 or says that it went well, and the document."""
        from urllib3.exceptions import HTTPError  # noqa: PLC0415  comes with the client

        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml"  # and JSON is YAML
        asked = self._api.param_serialize(
            method,
            path,
            query_params=query or [],
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        sent = None if body is None else json.dumps(body)
        to, url, told, *_ = asked
        try:
            answer: Any = self._api.call_api(to, url, told, sent, _request_timeout=_TIMEOUT_S)
            data = answer.read()
        except HTTPError as error:
            raise errors.Unavailable(
                f"the cluster does not answer: {str(error)[:300]}",
                fix="check --context, and whether `kubectl get --raw /readyz` answers",
            ) from error
        found = _document(data)
        if answer.status < 300 or answer.status == _NOT_FOUND:
            return answer.status, found
        raise _refusal(answer.status, path, str(found.get("message") or data[:300]))


_NOT_FOUND = 404


def connect(namespace: str, *, context: str | None, kubeconfig: Path | None) -> Cluster:
    """The cluster of a kubeconfig's context, else that in which we run.

    Raises `InvalidConfig`, and `Unavailable` where the client is not installed.
    """
    try:
        from kubernetes import client  # noqa: PLC0415  heavy, and an extra
        from kubernetes import config as untyped  # noqa: PLC0415  heavy, and an extra
    except ModuleNotFoundError as error:
        raise errors.Unavailable(
            "the Kubernetes client is not installed", fix="pip install 'plimsoll[kubernetes]'"
        ) from error
    config: Any = untyped
    settings = client.Configuration()
    settings.retries = False
    file = None if kubeconfig is None else str(kubeconfig)
    try:
        config.load_kube_config(file, context=context, client_configuration=settings)
    except config.ConfigException as error:
        if context is not None or kubeconfig is not None:
            raise _unusable(error) from error
        try:
            config.load_incluster_config(client_configuration=settings)
        except config.ConfigException:
            raise _unusable(error) from error
    return Cluster(client.ApiClient(settings), namespace)


def _unusable(error: Exception) -> errors.InvalidConfig:
    return errors.InvalidConfig(
        f"no cluster to speak to: {error}",
        fix="name a kubeconfig with --kubeconfig and one of its contexts with --context",
    )


def _key(manifest: Manifest) -> Key:
    return Key(manifest["kind"], manifest["metadata"]["name"])


def _version(found: Mapping[str, Any]) -> str:
    return str(found.get("metadata", {}).get("resourceVersion"))


def _document(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _unknown(kind: str, namespace: str, found: Mapping[str, Any]) -> errors.NotFound:
    """Either the kind or the namespace is not there; only the namespace is named in the answer."""
    if "namespaces" in str(found.get("message")):
        return errors.NotFound(
            f"the cluster has no namespace {namespace}",
            fix=f"kubectl create namespace {namespace}, or name another with --namespace",
        )
    return errors.NotFound(
        f"the cluster knows no {kind}", fix=_INSTALL.get(kind, "use a newer cluster")
    )


def _refusal(status: int, path: str, message: str) -> errors.PlimsollError:
    match status:
        case 401:
            return errors.Unauthenticated(f"the cluster does not know who we are: {message}")
        case 403:
            return errors.Forbidden(message, fix="grant it, or use another context")
        case 409:
            return errors.Conflict(
                f"{path.rpartition('/')[2]}: {message}",
                fix="leave the field to who manages it, or take it over with --take-over",
            )
        case 400 | 415 | 422:
            return errors.InvalidInput(f"the cluster refuses it: {message}")
        case _:
            return errors.Unavailable(f"the cluster answers {status}: {message}")
