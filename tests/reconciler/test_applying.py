"""`plimsoll apply` against a stand-in for a cluster's API server."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.core.kubernetes import standing
from registry.cli import main
from tests.reconciler import kube
from tests.reconciler.test_rendering import TO, checkout

Apply = Callable[..., int]


@pytest.fixture
def cluster() -> Iterator[kube.Cluster]:
    with kube.running(kube.Cluster()) as found:
        yield found


@pytest.fixture
def apply(cluster: kube.Cluster, tmp_path: Path) -> Apply:
    """`plimsoll apply` of version `version`; returns the exit code."""
    kubeconfig = tmp_path / "kubeconfig"
    context = {"cluster": "test", "user": "test"}
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": {"server": cluster.url}}],
                "users": [{"name": "test", "user": {"token": kube.TOKEN}}],
                "contexts": [{"name": "test", "context": context}],
                "current-context": "test",
            }
        )
    )

    def run(*more: str, version: int = 1) -> int:
        folder = tmp_path / f"v{version}"
        path = folder if folder.exists() else checkout(folder, version=version)
        return main(
            ["apply", "production/digits", str(path), *TO, "--kubeconfig", str(kubeconfig),
             "--namespace", "models", *more]
        )  # fmt: skip

    return run


def test_what_serves_is_ready_before_the_route_is_there(
    cluster: kube.Cluster, apply: Apply, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.looks = 1
    assert apply() == 0
    told = capsys.readouterr()
    kinds = [line.split()[:2] for line in told.out.splitlines()]
    wanted = ["ConfigMap", "Deployment", "Service", "NetworkPolicy", "HTTPRoute"]
    assert kinds == [["created", kind] for kind in wanted]
    assert "waiting: Deployment" in told.err
    moved = [one for one in cluster.requests if one.startswith("PATCH") and "httproutes" in one]
    assert cluster.requests.index(moved[0]) > len(cluster.requests) - 3


def deployment(cluster: kube.Cluster) -> kube.Object:
    (name,) = cluster.names("deployments")
    return cluster.objects["deployments", name]


def test_a_second_apply_changes_nothing(
    cluster: kube.Cluster, apply: Apply, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply() == 0
    before = {key: one["metadata"]["resourceVersion"] for key, one in cluster.objects.items()}
    capsys.readouterr()
    assert apply() == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"unchanged"}
    after = {key: one["metadata"]["resourceVersion"] for key, one in cluster.objects.items()}
    assert after == before


def test_former_versions_stay_until_they_are_pruned(
    cluster: kube.Cluster, apply: Apply, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply() == 0
    assert apply(version=2) == 0
    assert apply(version=3) == 0
    assert len(cluster.names("deployments")) == 3
    other = {"metadata": {"name": "theirs", "labels": {"plimsoll.dev/deployment": "digits"}}}
    cluster.objects["services", "theirs"] = other
    capsys.readouterr()
    assert apply("--prune", "--dry-run", version=3) == 0
    assert len(cluster.names("deployments")) == 3
    assert capsys.readouterr().out.count("removed") == 8
    assert apply("--prune", version=3) == 0
    assert ["-v3-" in name for name in cluster.names("deployments")] == [True]
    assert cluster.names("httproutes") == ["model-digits"]
    assert "theirs" in cluster.names("services")


def test_a_dry_run_changes_nothing(
    cluster: kube.Cluster, apply: Apply, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply("--dry-run") == 0
    assert capsys.readouterr().out.count("(dry run)") == 5
    assert cluster.objects == {}


def test_a_field_that_somebody_else_manages_is_theirs_until_it_is_taken_over(
    cluster: kube.Cluster, apply: Apply, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply() == 0
    found = deployment(cluster)
    key = "deployments", found["metadata"]["name"]
    found["spec"]["replicas"] = 5
    cluster.owners[key][".spec.replicas"] = "an-autoscaler"
    assert apply() == 1
    said = capsys.readouterr().err
    assert 'conflict with "an-autoscaler": .spec.replicas' in said
    assert "--take-over" in said
    assert deployment(cluster)["spec"]["replicas"] == 5
    assert apply("--take-over") == 0
    assert deployment(cluster)["spec"]["replicas"] == 1


def test_a_version_that_is_never_ready_gets_no_route(
    cluster: kube.Cluster, apply: Apply, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply() == 0
    route = dict(cluster.objects["httproutes", "model-digits"])
    cluster.looks = math.inf
    assert apply("--timeout", "1s", "--prune", version=2) == 6
    assert "no route was moved" in capsys.readouterr().err
    assert cluster.objects["httproutes", "model-digits"] == route
    assert len(cluster.names("deployments")) == 2
    dead = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "no node fits"}
    for _, one in filter(lambda item: item[0][0] == "deployments", cluster.objects.items()):
        if "-v2-" in one["metadata"]["name"]:
            one["status"] = {"observedGeneration": 1, "conditions": [dead]}
    assert apply(version=2) == 1
    assert "no node fits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ("kind", 1, "install the Gateway API's resources"),
        ("namespace", 1, "kubectl create namespace models"),
        ("permission", 4, "services is forbidden"),
        ("token", 4, "does not know who we are"),
        ("silence", 1, "the cluster does not answer"),
    ],
)
def test_what_is_wrong_with_the_cluster_is_said(
    cluster: kube.Cluster,
    apply: Apply,
    capsys: pytest.CaptureFixture[str],
    wrong: str,
    code: int,
    said: str,
) -> None:
    match wrong:
        case "kind":
            cluster.kinds.remove("httproutes")
        case "namespace":
            cluster.namespace = "another"
        case "permission":
            cluster.forbidden = "services"
        case "token":
            cluster.token = "another"
        case _:
            cluster.close()
    assert apply() == code
    assert said in capsys.readouterr().err


def test_without_a_kubeconfig_the_fix_says_what_to_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(checkout(tmp_path / "a"))
    given = ["--kubeconfig", str(tmp_path / "none")]
    assert main(["apply", "production/digits", path, *TO, *given]) == 1
    assert "--context" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ({}, standing.Waiting("KServe says that it is not ready")),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, standing.Ready()),
        (
            {"conditions": [{"type": "Ready", "status": "False", "message": "pulling"}]},
            standing.Waiting("pulling"),
        ),
        (
            {
                "modelStatus": {
                    "transitionStatus": "BlockedByFailedLoad",
                    "lastFailureInfo": {"message": "out of memory"},
                }
            },
            standing.Failed("out of memory"),
        ),
    ],
)
def test_an_inference_service_is_as_far_as_kserve_says(
    status: kube.Object, wanted: standing.Standing
) -> None:
    assert standing.of({"kind": "InferenceService", "status": status}) == wanted
