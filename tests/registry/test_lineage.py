"""Lineage both ways, to data set and commit, however large or crooked the family is."""

import httpx2
import pytest

from registry import errors
from registry.core.facts import Dataset, Facts, Parent, Relation
from registry.usecases import lineage, publish
from registry.usecases.lineage import Edge
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store
from tests.registry.publishing import publish as publish_over_http

DATA = Dataset("mnist", "sha256:" + "d" * 64, "s3://data/mnist")


def born(registry: Registry, alice: Publisher, model: str, *parents: Parent) -> None:
    files = {"model.onnx": onnx_model(float(hash((model, parents)) % 1000))}
    store(registry, files)
    said = Facts(commit="c0ffee", datasets=(DATA,), parents=parents)
    publish.publish(registry, alice.draft(files, model=model, said=said), ALICE)


def family(registry: Registry, alice: Publisher) -> None:
    """teacher -> student -> (small, marked); student also from something elsewhere."""
    born(registry, alice, "teacher")
    born(
        registry,
        alice,
        "student",
        Parent(Relation.DISTILLED, "teacher", 1),
        Parent(Relation.FINE_TUNED, reference="org/lenet"),
    )
    born(registry, alice, "small", Parent(Relation.QUANTISED, "student", 1))
    born(registry, alice, "marked", Parent(Relation.WATERMARKED, "student", 1))


def test_a_version_shows_its_ancestors_and_its_descendants(
    registry: Registry, alice: Publisher
) -> None:
    family(registry, alice)
    found = lineage.trace(registry, "student", 1)
    assert {row.model for row in found.versions} == {"teacher", "small", "marked"}
    assert set(found.edges) == {
        Edge("student@1", "distilled", "teacher@1"),
        Edge("student@1", "fine_tuned", "org/lenet"),
        Edge("small@1", "quantised", "student@1"),
        Edge("marked@1", "watermarked", "student@1"),
    }
    assert not found.is_cut


def test_the_line_goes_all_the_way_to_data_set_and_commit(
    registry: Registry, alice: Publisher
) -> None:
    family(registry, alice)
    found = lineage.trace(registry, "small", 1)
    teacher = next(row for row in found.versions if row.model == "teacher")
    assert teacher.commit == "c0ffee"
    assert (teacher.datasets[0].name, teacher.datasets[0].digest) == ("mnist", DATA.digest)


def test_a_cut_line_says_so(registry: Registry, alice: Publisher) -> None:
    family(registry, alice)
    near = lineage.trace(registry, "small", 1, depth=1)
    assert {row.model for row in near.versions} == {"student"}
    assert near.is_cut


def test_a_family_in_a_diamond_is_walked_once(registry: Registry, alice: Publisher) -> None:
    family(registry, alice)
    both = (Parent(Relation.MERGED, "small", 1), Parent(Relation.MERGED, "marked", 1))
    born(registry, alice, "both", *both)
    found = lineage.trace(registry, "both", 1)
    names = [row.model for row in found.versions]
    assert sorted(names) == ["marked", "small", "student", "teacher"]
    assert len(found.edges) == len(set(found.edges)) == 6


def test_a_parent_that_is_not_there_is_refused(registry: Registry, alice: Publisher) -> None:
    with pytest.raises(errors.InvalidInput, match="parent nobody@3 is not a version"):
        born(registry, alice, "orphan", Parent(Relation.CONVERTED, "nobody", 3))
    with pytest.raises(errors.NotFound):
        lineage.trace(registry, "orphan", 1)


def test_lineage_and_facts_come_over_http(client: httpx2.Client, alice: Publisher) -> None:
    publish_over_http(client, alice, {"model.onnx": onnx_model()})
    child = {"model.onnx": onnx_model(3.0)}
    body = alice.body(child)
    said = {
        "licence": "MIT",
        "owner": "risk",
        "commit": "c0ffee",
        "repository": "https://git.example/digits",
        "tags": {"team": "risk"},
        "metrics": {"accuracy": 0.5},
        "parameters": {"epochs": 3},
        "datasets": [{"name": "mnist", "digest": DATA.digest}],
        "derivedFrom": [{"relation": "converted", "model": "digits", "version": 1}],
        "card": "---\nlicense: apache-2.0\n---\n# Digits",
    }
    from tests.registry.publishing import upload

    upload(client, child["model.onnx"])
    answer = client.post("/v1/models/digits/versions", json=body | {"metadata": said})
    assert answer.status_code == 201, answer.text
    kept = answer.json()["metadata"]
    assert kept == {
        "description": "",
        "source": "",
        "runId": "",
        "licence": "MIT",
        "owner": "risk",
        "commit": "c0ffee",
        "repository": "https://git.example/digits",
        "tags": {"team": "risk"},
        "metrics": {"accuracy": 0.5},
        "parameters": {"epochs": "3"},
        "datasets": [{"name": "mnist", "digest": DATA.digest, "uri": ""}],
        "derivedFrom": [
            {"relation": "converted", "model": "digits", "version": 1, "reference": ""}
        ],
    }
    traced = client.get("/v1/models/digits/versions/1/lineage").json()
    assert traced["edges"] == [{"child": "digits@2", "relation": "converted", "parent": "digits@1"}]
    card = client.get("/v1/models/digits/versions/2/card").json()
    assert card == {"card": said["card"]}
