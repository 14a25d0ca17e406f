"""Files against each other: what holds which deployment, and what a broken file takes down."""

import pytest

from reconciler.core import desired
from tests.reconciler.core.wishes import deployment_file, host_file, wish


def files(**deployments: str) -> dict[str, bytes]:
    return {
        "models.d/hosts/h1.yaml": host_file("h1").encode(),
        "models.d/hosts/h2.yaml": host_file("h2").encode(),
        **{f"models.d/production/{name}.yaml": text.encode() for name, text in deployments.items()},
    }


def plain(name: str, version: int = 1, hosts: tuple[str, ...] = ("h1",), model: str = "") -> str:
    return deployment_file(name, version, hosts, model=model, tested=False)


def test_a_broken_file_holds_its_own_deployment_and_no_other() -> None:
    state = desired.load(files(good=plain("good"), bad="kind: ["), commit="c")
    assert list(state.deployments) == ["production/good"]
    assert list(state.held) == ["production/bad"]
    assert not state.may_prune


def test_two_deployments_of_one_model_on_one_host_are_both_held() -> None:
    state = desired.load(
        files(
            a=plain("a", model="digits"),
            b=plain("b", model="digits"),
            c=plain("c", hosts=("h2",), model="digits"),
        ),
        commit="c",
    )
    assert sorted(state.held) == ["production/a", "production/b"]
    assert "production/b also serves digits on h1" in state.held["production/a"][0].detail
    assert list(state.deployments) == ["production/c"]


def test_a_broken_template_holds_only_the_deployments_that_name_it() -> None:
    state = desired.load(
        {
            **files(tested=deployment_file("tested", 1, ["h1"]), other=plain("other")),
            "models.d/templates/golden.yaml": b"kind: [",
        },
        commit="c",
    )
    assert list(state.held) == ["production/tested"]
    assert list(state.deployments) == ["production/other"]


def test_a_broken_host_file_leaves_the_deployment_to_its_other_hosts() -> None:
    state = desired.load(
        {**files(a=plain("a", hosts=("h1", "h2"))), "models.d/hosts/h2.yaml": b"kind: ["},
        commit="c",
    )
    assert state.deployments["production/a"].hosts == ("h1", "h2")
    assert list(state.hosts) == ["h1"]
    assert state.may_prune


def test_an_ensemble_is_for_hosts_where_one_runtime_serves_all() -> None:
    text = plain("judge", hosts=("h1", "h2")).replace("format: onnx", "format: ensemble")
    found = files(judge=text)
    state = desired.load(found, commit="c")
    assert len(state.problems) == 2
    assert "the Docker host h1 each deployment has" in state.problems[0].message
    assert "the Docker host h2 each deployment has" in state.problems[1].message
    assert list(state.held) == ["production/judge"]
    for name in ("h1", "h2"):
        path = f"models.d/hosts/{name}.yaml"
        found[path] = found[path].replace(b"unix:///var/run/docker.sock", b"process://")
    assert list(desired.load(found, commit="c").deployments) == ["production/judge"]


def test_replicas_are_for_clusters_and_a_host_that_has_one_says_so() -> None:
    text = plain("digits").replace("format: onnx", "format: onnx, replicas: 3")
    [problem] = desired.load(files(digits=text), commit="c").problems
    assert "spec.runtime.replicas: the host h1 runs one instance" in problem.message
    assert problem.fix == "leave replicas out, or target more hosts"
    one = text.replace("replicas: 3", "replicas: 1")
    assert list(desired.load(files(digits=one), commit="c").deployments) == ["production/digits"]


def test_a_swarm_takes_replicas_of_a_pinned_image_and_no_grpc() -> None:
    text = plain("digits").replace("format: onnx", "format: onnx, replicas: 3, grpc: true")
    found = files(digits=text)
    path = "models.d/hosts/h1.yaml"
    found[path] = found[path].replace(b'docker.sock"', b'docker.sock", mode: swarm')
    first, second = desired.load(found, commit="c").problems
    assert {"has no digest" in one.message for one in (first, second)} == {True, False}
    assert {"speaks HTTP only" in one.message for one in (first, second)} == {True, False}
    name = "models.d/production/digits.yaml"
    pinned = text.replace("runtime:1", "r.example/runtime@sha256:" + "a" * 64)
    found[name] = pinned.replace(", grpc: true", "").encode()
    assert list(desired.load(found, commit="c").deployments) == ["production/digits"]
    found[path] = found[path].replace(b"unix:///var/run/docker.sock", b"process://")
    assert "is no address of a Swarm" in desired.load(found, commit="c").problems[0].message


def test_what_hosts_cannot_do_is_refused_with_their_names_and_what_can() -> None:
    names = tuple(f"h{number}" for number in range(1, 6))
    text = deployment_file("digits", 1, names, tested=False, strategy="inPlace: {}")
    found = {f"models.d/hosts/{name}.yaml": host_file(name).encode() for name in names}
    found["models.d/production/digits.yaml"] = text.encode()
    [problem] = desired.load(found, commit="c").problems
    assert "the hosts h1, h2, h3 and 2 more cannot swap versions" in problem.message
    assert "target process:// hosts" in problem.fix
    for path in found.keys() - {"models.d/production/digits.yaml"}:
        found[path] = found[path].replace(b"unix:///var/run/docker.sock", b"process://")
    assert desired.load(found, commit="c").problems == ()


def test_a_broken_policy_is_remembered_as_broken_so_that_decisions_fail_closed() -> None:
    state = desired.load({"policies/deploy/x.yaml": b"kind: ["}, commit="c")
    assert [problem.path for problem in state.policies.broken] == ["policies/deploy/x.yaml"]
    assert state.is_empty


def test_prose_and_data_beside_the_yaml_are_left_alone() -> None:
    state = desired.load(
        {"models.d/README.md": b"hi", "models.d/datasets/x.yaml": b"["}, commit="c"
    )
    assert state.problems == ()


@pytest.mark.parametrize(
    ("change", "is_new"),
    [
        ({"version": 2}, True),
        ({"deadline": 60}, True),
        ({"tested": False}, True),
        ({"delay": 1}, False),
        ({"promote": False}, False),
        ({"suspend": True}, False),
        ({"auto": False}, False),
        ({"hosts": ["h1"]}, False),
    ],
)
def test_a_revision_is_what_a_rollout_is_about_and_nothing_else(
    change: dict[str, object], is_new: bool
) -> None:
    def revision(**fields: object) -> str:
        values: dict[str, object] = {"version": 1, "hosts": ["h1", "h2"], **fields}
        text = deployment_file("digits", **values)  # type: ignore[arg-type]
        return wish({"digits": text}).deployments["production/digits"].revision

    assert (revision() != revision(**change)) is is_new


def test_the_instance_that_should_be_does_not_depend_on_how_numbers_are_written() -> None:
    text = plain("digits")
    one = wish({"digits": text}).deployments["production/digits"]
    two = wish({"digits": text.replace("cpus: 1", "cpus: 1.0")}).deployments["production/digits"]
    assert one.spec_on("h1", "a").spec_hash == two.spec_on("h1", "b").spec_hash
    assert one.revision == two.revision
