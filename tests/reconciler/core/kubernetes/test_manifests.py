"""Manifests, held against what Kubernetes, the Gateway API and KServe publish of their form."""

import dataclasses
import json
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import runtimefile
from reconciler.core.kubernetes import gateway, kserve, workload
from reconciler.core.kubernetes.workload import Gateway, Named, Place, Sealed
from reconciler.core.observed import (
    HeaderMatch,
    InstanceSpec,
    Match,
    Route,
    Share,
    Sticky,
    StickyBy,
)
from tests.reconciler.core.kubernetes import published

PLACE = Place("models", Gateway("infra", "public"), "https://plimsoll.internal:8440")
STABLE = InstanceSpec(
    host="west",
    deployment="production/fraud",
    model="fraud",
    version=7,
    digest="sha256:" + "7" * 64,
    format="onnx",
    image="registry.example/plimsoll-runtime@sha256:" + "a" * 64,
    memory_bytes=512 << 20,
    cpus=0.5,
    commit="c0ffee",
)
CANDIDATE = dataclasses.replace(STABLE, version=8, digest="sha256:" + "8" * 64)
SEALED = Sealed({"runtime.json": "{}", "token": "plm_secret", "trust.json": "{}"})


def route_to(spec: InstanceSpec, share: Share | None = None) -> dict[str, Any]:
    route = Route(spec.model, spec.deployment, spec.name, share)
    return gateway.http_route(route, spec, CANDIDATE if share else None, PLACE)


@pytest.mark.parametrize("handed", [SEALED, Named("plimsoll-registry")])
def test_every_object_has_the_form_that_kubernetes_publishes(handed: workload.Handed) -> None:
    spec = dataclasses.replace(STABLE, settings='{"process":{"grpc":true},"replicas":3}')
    found = workload.manifests(spec, PLACE, handed)
    for manifest in found:
        published.check(manifest)
    kinds = [one["kind"] for one in found]
    assert kinds[1:] == ["Deployment", "Service", "NetworkPolicy"]
    assert found[1]["spec"]["replicas"] == 3
    assert [port["port"] for port in found[2]["spec"]["ports"]] == [8501, 8500]


def test_the_published_form_refuses_what_it_does_not_know() -> None:
    wrong = workload.deployment(STABLE, PLACE, SEALED)
    wrong["spec"]["template"]["spec"]["runAsNonRoot"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        published.check(wrong)
    route = route_to(STABLE)
    route["spec"]["rules"][0]["weight"] = 1
    with pytest.raises(jsonschema.ValidationError):
        published.check(route)
    service = kserve.inference_service(STABLE, PLACE, SEALED)
    service["spec"]["predictor"]["canaryPercent"] = 10
    with pytest.raises(AssertionError, match="canaryPercent"):
        published.check(service)


def test_pods_are_as_the_restricted_standard_wants_them() -> None:
    pod = workload.pod(STABLE, SEALED, container="runtime")
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"] == {"memory": str(512 << 20), "cpu": "500m"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 8501}
    assert "env" not in container


def test_what_is_secret_is_in_a_secret_and_nowhere_else() -> None:
    secret, *others = workload.manifests(STABLE, PLACE, SEALED)
    assert secret["kind"] == "Secret"
    assert secret["stringData"]["token"] == "plm_secret"
    assert "plm_secret" not in json.dumps(others)


def test_an_environment_names_secrets_and_holds_none() -> None:
    declared = [
        {"name": "LEVEL", "value": "high"},
        {"name": "TOKEN", "sealed": "c0ffee", "secret": "tracing/token"},
    ]
    spec = dataclasses.replace(STABLE, settings=json.dumps({"env": declared}))
    found = workload.manifests(spec, PLACE, Named("plimsoll-registry"))
    for manifest in found:
        published.check(manifest)
    (container,) = found[1]["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [
        {"name": "LEVEL", "value": "high"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "tracing", "key": "token"}}},
    ]
    assert workload.name(spec) != workload.name(STABLE)


def test_the_runtime_reads_the_same_file_as_on_a_docker_host() -> None:
    told, *_ = workload.manifests(STABLE, PLACE, Named("plimsoll-registry"))
    assert json.loads(told["data"]["runtime.json"]) == runtimefile.document(
        STABLE, registry=PLACE.registry
    )


def test_another_commit_alone_leaves_the_pods_alone() -> None:
    later = dataclasses.replace(STABLE, commit="decade")
    first = workload.deployment(STABLE, PLACE, SEALED)
    second = workload.deployment(later, PLACE, SEALED)
    assert first["spec"] == second["spec"]
    assert first["metadata"] != second["metadata"]


def test_pods_reach_names_and_the_registry_and_are_reached_by_the_gateway() -> None:
    spec = workload.network_policy(STABLE, PLACE)["spec"]
    [rule] = spec["ingress"]
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "infra"}}}
    ]
    assert [port["port"] for one in spec["egress"] for port in one["ports"]] == [53, 53, 8440]


@given(
    own=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
    version=st.integers(1, 2**63 - 1),
)
def test_names_are_names_of_services(own: str, version: int) -> None:
    spec = dataclasses.replace(STABLE, deployment=f"production/{own}", version=version)
    found = workload.name(spec)
    assert len(found) <= 63
    assert found[0].isalpha()
    assert found.replace("-", "").isalnum()
    assert found == found.lower()
    assert spec.spec_hash[:8] in found


def test_a_route_names_the_models_paths_and_no_other_models() -> None:
    found = route_to(STABLE)
    published.check(found)
    [rule] = found["spec"]["rules"]
    paths = [match["path"] for match in rule["matches"]]
    assert {"type": "PathPrefix", "value": "/v2/models/fraud"} in paths
    assert {"type": "Exact", "value": "/v1/models/fraud:predict"} in paths
    assert {path["type"] for path in paths} == {"PathPrefix", "Exact"}
    assert rule["backendRefs"] == [{"name": workload.name(STABLE), "port": 8501}]


def test_a_share_is_said_by_weights() -> None:
    found = route_to(STABLE, Share(CANDIDATE.name, weight=10))
    published.check(found)
    [rule] = found["spec"]["rules"]
    assert [one["weight"] for one in rule["backendRefs"]] == [90, 10]
    assert rule["backendRefs"][1]["name"] == workload.name(CANDIDATE)


def test_chosen_headers_lead_to_the_candidate_before_weights_are_asked() -> None:
    headers = (
        HeaderMatch("x-team", Match.EXACT, "blue"),
        HeaderMatch("x-user", Match.PREFIX, "a.b"),
        HeaderMatch("x-plan", Match.REGEX, "gold|silver"),
    )
    found = route_to(STABLE, Share(CANDIDATE.name, weight=0, headers=headers))
    published.check(found)
    chosen, rest = found["spec"]["rules"]
    assert chosen["backendRefs"] == [{"name": workload.name(CANDIDATE), "port": 8501}]
    assert [one["value"] for one in chosen["matches"][0]["headers"]] == [
        "blue",
        r"^a\.b.*$",
        "^(?:gold|silver)$",
    ]
    assert [one["weight"] for one in rest["backendRefs"]] == [100, 0]


def test_a_mirror_copies_and_answers_nobody() -> None:
    found = route_to(STABLE, Share(CANDIDATE.name, mirror=100))
    published.check(found)
    [rule] = found["spec"]["rules"]
    assert rule["filters"][0]["requestMirror"]["backendRef"]["name"] == workload.name(CANDIDATE)
    assert [one["weight"] for one in rule["backendRefs"]] == [100, 0]
    part = route_to(STABLE, Share(CANDIDATE.name, mirror=25))["spec"]["rules"][0]
    assert part["filters"][0]["requestMirror"]["percent"] == 25  # from Gateway API v1.3 on


def test_what_the_gateway_api_cannot_do_is_said() -> None:
    assert gateway.obstacles(Share("i", weight=10)) == []
    sticky = Share("i", weight=10, sticky=Sticky(StickyBy.COOKIE, "plimsoll"))
    assert gateway.obstacles(sticky)[0].startswith("sticky: ")


def test_models_whose_names_differ_by_an_underscore_have_routes_of_their_own() -> None:
    names = {
        gateway.route_name(Route(model, "production/x", "i"))
        for model in ("a_b", "a-b", "a.b", "a_b_c", "a-b_c", "a_b-c")
    }
    assert len(names) == 6
    assert not any("_" in name for name in names)


def test_kserve_gets_a_percentage_of_its_latest_revision_on_knative() -> None:
    found = kserve.inference_service(STABLE, PLACE, SEALED, percent=10)
    published.check(found)
    assert found["metadata"]["name"] == "fraud"
    assert found["spec"]["predictor"]["canaryTrafficPercent"] == 10
    assert found["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Knative"
    without = kserve.inference_service(STABLE, PLACE, SEALED)
    assert "canaryTrafficPercent" not in without["spec"]["predictor"]


def test_kserve_gets_both_predictors_on_plain_deployments() -> None:
    found = kserve.with_canary(STABLE, CANDIDATE, PLACE, SEALED, percent=25)
    published.check(found)
    [canary] = found["spec"]["canary"]
    assert canary["trafficPercent"] == 25
    secrets = [
        one["volumes"][0]["secret"]["secretName"]
        for one in (found["spec"]["predictor"], canary["predictor"])
    ]
    assert secrets == [workload.name(STABLE), workload.name(CANDIDATE)]
