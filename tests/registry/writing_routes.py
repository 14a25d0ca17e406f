"""Every writing route of the API in one story, each step with the entries that it must leave.

A step that needs what an earlier one made stands behind it. What writes no state that anybody is
told of stands in `QUIET`, what another test walks through in `ELSEWHERE`: a new route is in none
of the three until somebody decides.
"""

from dataclasses import dataclass, field
from typing import Any

from registry.core import canonical
from tests.registry.publishing import Publisher, digest_of, onnx_model

MLFLOW = "/api/2.0/mlflow"
FILES, OTHER = {"model.onnx": onnx_model(1.0)}, {"model.onnx": onnx_model(2.0)}
_BLOB = b"a layer"
_MANIFEST = canonical.encode(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "a/b", "size": len(_BLOB), "digest": digest_of(_BLOB)},
        "layers": [],
    }
)


@dataclass(frozen=True)
class Step:
    """One request; `{hold}` and the like in its path are what earlier answers called so."""

    route: str
    path: str
    kinds: tuple[str, ...]
    body: Any = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    keep: str = ""


def story(alice: Publisher) -> list[Step]:
    """In order. Bytes of `FILES`, `OTHER` and one OCI layer are there already."""
    return [
        *_models(alice),
        *_reports(),
        *_operators(),
        *_mlflow(),
        *_oci(),
        *_endings(),
    ]


def _models(alice: Publisher) -> list[Step]:
    versions, one = "/v1/models/{name}/versions", "/v1/models/{name}/versions/{version}"
    alias = "/v1/models/{name}/aliases/{alias}"
    variant = alice.body(OTHER) | {"variant": "int8"}
    del variant["version"]
    return [
        Step("POST /v1/models", "/v1/models", ("model_created",), {"name": "empty"}),
        Step("PATCH /v1/models/{name}", "/v1/models/empty", ("model_changed",), {"owner": "risk"}),
        Step(
            f"POST {versions}", "/v1/models/digits/versions", ("published",), alice.body(FILES)
        ),
        Step(
            f"PATCH {one}", "/v1/models/digits/versions/1", ("version_changed",),
            {"description": "reads digits"},
        ),
        Step(
            f"POST {one}/variants", "/v1/models/digits/versions/1/variants", ("published",), variant
        ),
        Step(
            f"PUT {alias}", "/v1/models/digits/aliases/champion", ("alias_moved",),
            {"version": 1, "reason": "the best"},
        ),
        Step(f"DELETE {alias}", "/v1/models/digits/aliases/champion?reason=no", ("alias_removed",)),
    ]  # fmt: skip


def _reports() -> list[Step]:
    many = {"events": [{"id": f"m{n}", "kind": "tested"} for n in range(3)]}
    return [
        Step("POST /v1/events", "/v1/events", ("deployed",), {"id": "one", "kind": "deployed"}),
        Step("POST /v1/events", "/v1/events", (), {"id": "one", "kind": "deployed"}),
        Step("POST /v1/events/batch", "/v1/events/batch", ("tested",) * 3, many),
    ]


def _operators() -> list[Step]:
    hook = "/v1/webhooks/{webhook}"
    return [
        Step(
            "POST /v1/tokens", "/v1/tokens", ("token_created",),
            {"role": "auditor", "name": "eve"}, keep="token",
        ),
        Step("DELETE /v1/tokens/{token}", "/v1/tokens/{token}", ("token_revoked",)),
        Step(
            "POST /v1/hosts/{host}/invitation", "/v1/hosts/edge-8/invitation", ("host_invited",)
        ),
        Step("DELETE /v1/hosts/{host}", "/v1/hosts/edge-9?reason=stolen", ("host_revoked",)),
        Step(
            "POST /v1/webhooks", "/v1/webhooks", ("webhook_created",),
            {"name": "ci", "url": "https://receiver.example/", "kinds": ["backed_up"]}, keep="id",
        ),
        Step(f"PATCH {hook}", "/v1/webhooks/{id}", ("webhook_changed",), {"name": "other"}),
        Step(f"DELETE {hook}", "/v1/webhooks/{id}", ("webhook_removed",)),
        Step(
            "POST /v1/holds", "/v1/holds", ("held",),
            {"model": "digits", "version": 1, "reason": "a case"}, keep="id",
        ),
        Step(
            "POST /v1/holds/{hold}/release", "/v1/holds/{id}/release", ("released",),
            {"reason": "settled"},
        ),
    ]  # fmt: skip


def _mlflow() -> list[Step]:
    models, versions = f"{MLFLOW}/registered-models", f"{MLFLOW}/model-versions"
    one, flown = {"name": "digits", "version": "1"}, {"name": "flown"}
    return [
        _same(f"POST {models}/create", ("model_created",), {"name": "flows"}),
        _same(f"POST {models}/rename", ("model_changed",), {"name": "flows", "new_name": "flown"}),
        _same(f"PATCH {models}/update", ("model_changed",), flown | {"description": "d"}),
        _same(f"POST {models}/set-tag", ("model_changed",), flown | {"key": "k", "value": "v"}),
        _same(f"DELETE {models}/delete-tag", ("model_changed",), flown | {"key": "k"}),
        _same(f"POST {models}/alias", ("alias_moved",), one | {"alias": "flying"}),
        _same(f"DELETE {models}/alias", ("alias_removed",), {"name": "digits", "alias": "flying"}),
        _same(f"DELETE {models}/delete", ("model_deleted",), flown),
        _same(f"PATCH {versions}/update", ("version_changed",), one | {"description": "other"}),
        _same(f"POST {versions}/set-tag", ("version_changed",), one | {"key": "k", "value": "v"}),
        _same(f"DELETE {versions}/delete-tag", ("version_changed",), one | {"key": "k"}),
    ]  # fmt: skip


def _oci() -> list[Step]:
    manifest = "/v2/{name}/manifests/{reference}"
    form = {"content-type": "application/vnd.oci.image.manifest.v1+json"}
    place = f"/v2/x/manifests/{digest_of(_MANIFEST)}"
    return [
        Step(f"PUT {manifest}", place, ("artifact_pushed",), content=_MANIFEST, headers=form),
        Step(f"DELETE {manifest}", place, ("artifact_deleted",)),
    ]


def _endings() -> list[Step]:
    reason = {"reason": "asked for"}
    erase = "/v1/models/{name}/versions/{version}/erase"
    return [
        Step("POST /v1/retention/apply", "/v1/retention/apply", (), {}),
        Step(f"POST {erase}", "/v1/models/digits/versions/1/erase", ("erased",), reason),
        Step("POST /v1/models/{name}/erase", "/v1/models/digits/erase", ("erased",), reason),
    ]


def _same(route: str, kinds: tuple[str, ...], body: Any) -> Step:
    return Step(route, route.split(" ")[1], kinds, body)


def secret_id(token: str) -> str:
    """The part of a token by which it is revoked."""
    return token.split("_")[1]


LAYER = _BLOB

# Bytes on their way, statuses that the next one replaces, questions, and words about the log
# itself: nothing of this is a fact that an auditor asks for.
QUIET = {
    "POST /v1/uploads", "PATCH /v1/uploads/{upload}", "PUT /v1/uploads/{upload}",
    "DELETE /v1/uploads/{upload}", "POST /v1/blobs", "POST /v1/missing-blobs",
    "POST /v1/wanted-blobs",
    "POST /v2/{name}/blobs/uploads", "POST /v2/{name}/blobs/uploads/",
    "PATCH /v2/{name}/blobs/uploads/{upload}", "PUT /v2/{name}/blobs/uploads/{upload}",
    "DELETE /v2/{name}/blobs/uploads/{upload}", "DELETE /v2/{name}/blobs/{digest}",
    "PUT /v1/deployments/{environment}/{name}", "DELETE /v1/deployments/{environment}/{name}",
    "POST /v1/retention/plan", "POST /log/cosignatures", "POST /login", "POST /logout",
    "POST /language", "POST /log/find",
    "POST /v1/persons/find", "POST /v1/optimisations", "DELETE /v1/optimisations/{optimisation}",
    "PUT /v1/hosts/{host}/report",
    "POST /v1/host-leases", "POST /v1/host-leases/release", "POST /v1/rollouts",
    f"POST {MLFLOW}/registered-models/get-latest-versions",
    f"POST {MLFLOW}/model-versions/transition-stage",
    "POST /v1/webhooks/{webhook}/test", f"POST {MLFLOW}/webhooks/{{webhook_id}}/test",
    "POST /v1/webhooks/{webhook}/dead-letters/{index}/redeliver",
    "POST /api/2.0/mlflow-artifacts/mpu/create/{path}",
    "PUT /api/2.0/mlflow-artifacts/artifacts/{path}",
    "DELETE /api/2.0/mlflow-artifacts/artifacts/{path}",
}  # fmt: skip

# test_mlflow_registration, test_mlflow_webhooks: the same use cases in another dialect;
# test_enrolment, test_persons: with keys, certificates and persons; test_evidence_kept;
# test_packaging: with an image to compose on; test_page_forms and test_requests: from a browser.
ELSEWHERE = {
    f"POST {MLFLOW}/model-versions/create", f"DELETE {MLFLOW}/model-versions/delete",
    f"POST {MLFLOW}/webhooks", f"PATCH {MLFLOW}/webhooks/{{webhook_id}}",
    f"DELETE {MLFLOW}/webhooks/{{webhook_id}}",
    "POST /v1/watermark/detections", "POST /v1/models/{name}/versions/{version}/watermark/keys",
    "POST /v1/enrol", "POST /v1/hosts/{host}/certificate", "DELETE /v1/persons/{pseudonym}",
    "POST /v1/models/{name}/versions/{version}/evidence",
    "POST /v1/models/{name}/versions/{version}/images",
    "PUT /v1/agents/{host}", "DELETE /v1/agents/{host}",
    "POST /models/{name}/alias", "POST /models/{name}/hold", "POST /holds/{hold}/release",
    "POST /deployments/{environment}/{name}/ask", "POST /v1/requests/{request}/take",
    "POST /v1/requests/{request}/answer",
}  # fmt: skip
